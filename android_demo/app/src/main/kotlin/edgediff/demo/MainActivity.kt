package edgediff.demo

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.os.Bundle
import java.io.File

/** How often the tasks are switched to measure it. */
const val SWITCHES = 100

private const val OPEN_FILE = 1
private const val STATE = "state"

/** The one screen: choose a task, type a text, read the answer. */
class MainActivity : Activity(), Actions {
    internal lateinit var work: Work

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.main)
        work = lastNonConfigurationInstance as Work? ?: newWork(saved?.getBundle(STATE)?.toState() ?: State())
        val screen = Screen(findViewById(R.id.root), this)
        work.onChange = screen::show
        screen.show(work.state)
    }

    override fun onStart() {
        super.onStart()
        if (work.state.mode == null && !work.state.busy) work.open() // again, once files were pushed
    }

    override fun onSaveInstanceState(out: Bundle) {
        super.onSaveInstanceState(out)
        out.putBundle(STATE, work.state.toBundle())
    }

    override fun onRetainNonConfigurationInstance(): Any = work

    override fun onDestroy() {
        super.onDestroy()
        if (!isChangingConfigurations) work.close()
    }

    override fun choose(task: String) = work.choose(task)

    override fun ask(question: Question) =
        if (question.isBlank) work.tell(getString(R.string.no_text)) else work.ask(question)

    override fun measure() = work.measure(SWITCHES)

    override fun openFile() {
        val any = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*")
        try {
            startActivityForResult(any, OPEN_FILE)
        } catch (_: ActivityNotFoundException) {
            work.tell(getString(R.string.no_picker))
        }
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data ?: return
        if (request == OPEN_FILE && result == RESULT_OK) {
            val resolver = applicationContext.contentResolver
            work.take { resolver.document(uri) }
        }
    }

    private fun newWork(state: State): Work {
        val app = applicationContext
        val version = app.packageManager.getPackageInfo(app.packageName, 0).lastUpdateTime
        val unpacked = File(app.filesDir, "unpacked/$version")
        val places = Places(app.getExternalFilesDir(null), app.filesDir, unpacked, app.cacheDir)
        return Work(Performer(places) { app.assets.packed() }, { app.resources.sentence(it, places) }, state)
    }
}
