package edgediff.demo

import android.os.Bundle
import android.os.Looper
import android.os.Parcel
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.ProgressBar
import android.widget.Spinner
import android.widget.TextView
import edgediff.runtime.Mode
import edgediff.runtime.OpenBase
import edgediff.runtime.openBase
import java.io.File
import java.util.concurrent.TimeUnit
import org.junit.rules.ExternalResource
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController

/** A phone with the app, and a user who sees and touches what is on its screen. */
internal class Phone(private val installed: Boolean = true) : ExternalResource() {
    private lateinit var controller: ActivityController<MainActivity>
    val activity: MainActivity get() = controller.get()
    val files: File get() = RuntimeEnvironment.getApplication().filesDir
    val cache: File get() = RuntimeEnvironment.getApplication().cacheDir
    val root: ViewGroup get() = activity.findViewById(R.id.root)

    override fun before() {
        if (installed) install(files)
        if (Fixtures.images.exists()) Fixtures.images.copyRecursively(File(cache, "images"))
    }

    override fun after() {
        if (!::controller.isInitialized) return
        end()
        val images = File(cache, "images")
        if (images.exists() && !Fixtures.images.exists()) images.copyRecursively(Fixtures.images)
    }

    /** Puts the base and the tasks into [folder]. */
    fun install(folder: File) {
        Fixtures.base.copyRecursively(File(folder, "base"))
        Fixtures.tasks.forEach { it.copyTo(File(folder, "tasks/${it.name}")) }
    }

    fun start(saved: Bundle? = null) {
        controller = Robolectric.buildActivity(MainActivity::class.java)
        if (saved == null) controller.setup() else controller.setup(saved)
        settle()
    }

    /** Ends the app as a user does. */
    fun end() {
        val thread = activity.work.thread
        activity.finish()
        if (!activity.isDestroyed) controller.pause().stop().destroy()
        thread.awaitTermination(1, TimeUnit.MINUTES)
    }

    /** Turns the phone to its side. */
    fun rotate() {
        RuntimeEnvironment.setQualifiers("+land")
        controller.configurationChange().visible()
        settle()
    }

    /** Ends the process, as Android does with apps that are not seen, and starts a new one. */
    fun killAndReturn() {
        val saved = Bundle()
        controller.pause().stop().saveInstanceState(saved)
        controller.destroy()
        start(throughParcel(saved))
    }

    /** Goes to another app and comes back. */
    fun leaveAndReturn() {
        controller.pause().stop().restart().start().resume()
        settle()
    }

    /** Waits until the work is done and shown. */
    fun settle() {
        activity.work.thread.submit {}.get()
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun choose(task: String) {
        val spinner = view<Spinner>(R.id.tasks)
        spinner.setSelection((0 until spinner.count).first { spinner.getItemAtPosition(it) == task })
        settle()
    }

    fun type(text: String, field: Int = R.id.text) = view<EditText>(field).run {
        setText(text)
        setSelection(length())
    }

    fun tap(button: Int) {
        check(view<View>(button).isEnabled)
        view<View>(button).performClick()
        settle()
    }

    fun <T : View> view(id: Int): T = activity.findViewById(id)

    fun isShown(id: Int): Boolean = view<View>(id).isShown

    fun read(id: Int): String = view<TextView>(id).text.toString()

    /** What a screen reader says of each bar. */
    fun bars(): List<String> = eachBar().map { it.contentDescription.toString() }

    /** How much of each bar is filled, in thousandths. */
    fun progress(): List<Int> = eachBar().map { it.findViewById<ProgressBar>(R.id.score).progress }

    private fun eachBar(): List<View> = view<ViewGroup>(R.id.bars).run { List(childCount, ::getChildAt) }

    /** What the library itself answers, in a session of its own. */
    fun <T> library(use: (OpenBase) -> T): T = openBase(Fixtures.base, cache, Mode.SESSION, threads = 1).use { base ->
        Fixtures.tasks.forEach { base.add(it) }
        use(base)
    }

    private fun throughParcel(bundle: Bundle): Bundle {
        val written = Parcel.obtain()
        written.writeBundle(bundle)
        val bytes = written.marshall()
        val read = Parcel.obtain()
        read.unmarshall(bytes, 0, bytes.size)
        read.setDataPosition(0)
        return checkNotNull(read.readBundle(javaClass.classLoader))
    }
}
