package edgediff.runtime

import edgediff.BundleError
import edgediff.EdgeDiffError
import edgediff.SettingError
import edgediff.TaskError
import edgediff.diff.Kind
import edgediff.diff.Task
import edgediff.format.Manifest
import edgediff.format.readHeader
import edgediff.format.readManifest
import edgediff.tokens.Batch
import edgediff.tokens.Tokens
import java.io.File
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/** Diffs that stay ready to be activated; the least used ones are made anew. */
private const val MAX_PREPARED = 16

/**
 * A base bundle in memory, with the tasks that were added to it; see [openBase].
 *
 * Any number of threads may ask. They are served one after another, in the order in which they asked: a device has one
 * user, and onnxruntime's own threads share a run's work.
 *
 * @property mode [Mode.LIVE] or [Mode.SESSION].
 */
class OpenBase internal constructor(
    private val bundle: File,
    private val manifest: Manifest,
    private val patcher: Patcher,
) : AutoCloseable {
    val mode: Mode get() = patcher.mode

    /** The tasks by name, as they are now: what is added or removed later changes nothing in it. */
    @Volatile
    var tasks: Map<String, BaseTask> = emptyMap()
        private set

    private val lock = ReentrantLock(true)
    private val prepared = LinkedHashMap<BaseTask, Unit>(MAX_PREPARED, 1f, true) // in the order of use
    private val tokenizers = HashMap<Pair<Boolean, Int>, Tokens>() // by all that tokens depend on
    private var open = true

    /**
     * Adds the task of a `.dpf` file; only its header is read until it is first used.
     *
     * @throws edgediff.FormatError the file is missing or breaks a rule of its format.
     * @throws edgediff.BaseMismatchError it was made for another base.
     * @throws SettingError another task has that name.
     */
    fun add(dpf: File, name: String? = null): BaseTask {
        val header = readHeader(dpf)
        checkBase(manifest, header.base, header.shapes, bundle, dpf)
        val task = BaseTask(name ?: header.task.name, dpf, header.task, header.fileBytes)
        usable {
            if (task.name in tasks) {
                throw SettingError("a task ${task.name} was added already: give $dpf another name")
            }
            tasks = tasks + (task.name to task)
        }
        return task
    }

    /**
     * Lets go of a task; its name is free.
     *
     * @throws TaskError no such task.
     */
    fun remove(name: String): Unit = usable {
        val task = named(name)
        tasks = tasks - name
        forget(task)
    }

    /**
     * Answers for each of [texts], or each pair; a question is paired with its context.
     *
     * @throws TaskError no such task.
     * @throws edgediff.DataError the task takes one text and got pairs, or the other way round; or a question leaves too
     *   little room for its context.
     */
    fun run(task: String, texts: List<String>, pairs: List<String>? = null): List<AnyAnswer> {
        val chosen = named(task)
        return answerTexts(chosen.definition, tokens(chosen.definition), { logits(chosen, it) }, texts, pairs)
    }

    /**
     * Whether some of a text, or of a pair, is more than the task takes and is cut off.
     *
     * @throws TaskError no such task.
     */
    fun cuts(task: String, text: String, pair: String? = null): Boolean =
        tokens(named(task).definition).features(listOf(text), pair?.let(::listOf)).any { it.cut }

    /**
     * The logits of one batch, switching if need be: `(rows, outputs)`, or `(rows, tokens, outputs)` for tasks that label
     * tokens, row after row.
     *
     * @throws TaskError no such task.
     */
    fun logits(task: String, batch: Batch): FloatArray = logits(named(task), batch)

    private fun logits(chosen: BaseTask, batch: Batch): FloatArray = usable {
        if (tasks[chosen.name] !== chosen) throw TaskError("the task ${chosen.name} was removed")
        switchTo(chosen)
        val head = checkNotNull(chosen.head)
        patcher.session.logits(head.output, batch, head.tensors)
    }

    /**
     * Switches to a task, so that its next run need not.
     *
     * @throws TaskError no such task.
     */
    fun activate(task: String): Unit = usable { switchTo(named(task)) }

    /** Switches to the base alone: in live mode its weights are then the bundle's, bit for bit. */
    fun deactivate(): Unit = usable { patcher.activate(null) }

    /** Lets go of sessions and memory; a batch that has its turn is answered first, the rest is refused. */
    override fun close(): Unit = lock.withLock {
        if (!open) return
        open = false
        tasks.values.forEach { it.head?.close() }
        patcher.close()
    }

    private fun switchTo(task: BaseTask) {
        if (prepared.get(task) == null) {
            val diff = task.diff(manifest, bundle)
            patcher.prepare(task, diff)
            task.head?.close() // of a file that may have been another
            task.head = HeadFeeds(diff)
            prepared[task] = Unit
        }
        patcher.activate(task)
        while (prepared.size > MAX_PREPARED) forget(prepared.keys.first())
    }

    private fun forget(task: BaseTask) {
        if (prepared.remove(task) != null) patcher.forget(task)
        task.head?.close()
        task.head = null
    }

    private fun tokens(task: Task): Tokens = usable {
        tokenizers.getOrPut((task.kind == Kind.QUESTION_ANSWERING) to task.maxLength) { Tokens(bundle, manifest, task) }
    }

    private fun named(name: String): BaseTask = tasks[name]
        ?: throw TaskError("no task $name was added; there are ${tasks.keys.joinToString().ifEmpty { "none" }}")

    private inline fun <T> usable(use: () -> T): T = lock.withLock {
        if (!open) throw SettingError("the base is closed: open it again")
        try {
            use()
        } catch (error: OutOfMemoryError) {
            throw BundleError("the task needs more memory than there is", error)
        }
    }
}

/**
 * Opens the base [bundle] for many tasks.
 *
 * In mode [Mode.LIVE] one session serves all: a switch patches its weights in place, in about a millisecond. In mode
 * [Mode.SESSION] each task has a session of its own, made by documented ways. [Mode.AUTO] is live where that is proven to
 * work on this device, else session, with one line to [log] that names the reason.
 *
 * @param cache a folder of the app's own (on Android below `Context.getCacheDir`), for the image of the base.
 * @param threads onnxruntime's number of threads within a run, 0 for its own choice.
 * @throws BundleError the bundle is missing or damaged; with mode live, also why live mode is not sure here.
 */
fun openBase(
    bundle: File,
    cache: File,
    mode: Mode = Mode.AUTO,
    threads: Int = 0,
    log: (String) -> Unit = {},
): OpenBase {
    val manifest = readManifest(bundle)
    if (mode != Mode.SESSION) {
        try {
            return OpenBase(bundle, manifest, proveLive(bundle, manifest, threads, cache))
        } catch (error: EdgeDiffError) {
            if (mode == Mode.LIVE) throw BundleError("live mode is not sure here: ${error.message}", error)
            log("tasks get a session each: live mode is not sure here: ${error.message}")
        }
    }
    return OpenBase(bundle, manifest, SessionPatcher(bundle, manifest, threads))
}
