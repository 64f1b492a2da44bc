package edgediff.demo

import android.os.Handler
import android.os.Looper
import edgediff.EdgeDiffError
import java.io.IOException
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors

/**
 * Has the work done on a thread of its own, and keeps what came of it: it stays while the screen is rotated. To be used
 * on the main thread.
 *
 * @param sentence what to tell the user of an error.
 * @param state what to begin with.
 */
class Work(
    private val performer: Performer,
    private val sentence: (Exception) -> String,
    state: State,
) : AutoCloseable {
    internal val thread: ExecutorService = Executors.newSingleThreadExecutor()
    private val main = Handler(Looper.getMainLooper())
    private var jobs = 0

    var state = state
        private set(value) {
            field = value
            onChange(value)
        }

    /** Called with each new state. */
    var onChange: (State) -> Unit = {}

    /** Opens the base with its tasks. */
    fun open() = perform({ performer.open() }) { opened ->
        val refused = opened.refused.map(sentence).distinct()
        copy(mode = opened.mode, tasks = opened.tasks, problem = refused.joinToString("\n").ifEmpty { null })
    }

    /** Chooses the task to ask. */
    fun choose(task: String) {
        if (task != state.chosen) state = state.copy(chosen = task)
    }

    /** Answers a question. */
    fun ask(question: Question) = perform({ performer.ask(question) }) { copy(outcome = it) }

    /** Measures [count] switches. */
    fun measure(count: Int) = perform({ performer.measure(count) }) { copy(median = it) }

    /** Takes the `.dpf` file that [open] opens, and chooses its task. */
    fun take(open: () -> Document) = perform({ performer.take(open()) to performer.tasks() }) { (task, tasks) ->
        copy(tasks = tasks, chosen = task.name)
    }

    /** Shows a problem. */
    fun tell(problem: String) {
        state = state.copy(problem = problem)
    }

    /** Lets go of the base when what was asked for is done; nobody hears of that any more. */
    override fun close() {
        onChange = {}
        thread.execute(performer::close)
        thread.shutdown()
    }

    /** Does [job] on the thread, and then on the main thread what follows from it. */
    private fun <T> perform(job: () -> T, then: State.(T) -> State) {
        jobs++
        state = state.copy(busy = true, problem = null)
        thread.execute {
            val following = try {
                val found = job();
                { state: State -> state.then(found) }
            } catch (error: EdgeDiffError) {
                telling(error)
            } catch (error: IOException) {
                telling(error)
            }
            main.post {
                jobs--
                state = following(state).copy(busy = jobs > 0)
            }
        }
    }

    private fun telling(error: Exception): (State) -> State = { it.copy(problem = sentence(error)) }
}
