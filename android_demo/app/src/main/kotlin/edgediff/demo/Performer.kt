package edgediff.demo

import edgediff.EdgeDiffError
import edgediff.format.readHeader
import edgediff.runtime.BaseTask
import edgediff.runtime.Mode
import edgediff.runtime.OpenBase
import edgediff.runtime.openBase
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.util.UUID
import kotlin.time.Duration
import kotlin.time.measureTime
import kotlin.time.measureTimedValue

/** More than the format allows, so the library refuses what is longer. */
private const val MAX_BYTES = (1L shl 26) + 1

/** A file of another app: its [name] there, and its bytes. */
class Document(val name: String, val content: InputStream)

/**
 * What is there after opening.
 *
 * @property refused why the other files are not among [tasks].
 */
class Opened(val mode: Mode, val tasks: List<BaseTask>, val refused: List<EdgeDiffError>)

/**
 * The work of the app, without its screen: a base, its tasks, answers. For one thread.
 *
 * @param packed lists the files that come with the app.
 */
class Performer(private val places: Places, private val packed: () -> List<Packed>) : AutoCloseable {
    private var base: OpenBase? = null

    /**
     * Opens the base with all its tasks, from files that are unpacked first if need be.
     *
     * @throws EdgeDiffError the base cannot be opened.
     * @throws IOException there is no base, or it cannot be unpacked.
     */
    fun open(): Opened {
        val base = openBase(places.base() ?: unpackedBase(), File(places.cache, "images"))
        this.base = base
        val refused = places.tasks().mapNotNull { file ->
            try {
                base.addFreely(file)
                null
            } catch (error: EdgeDiffError) {
                error
            }
        }
        return Opened(base.mode, base.tasks.values.toList(), refused)
    }

    /**
     * Answers a question.
     *
     * @throws EdgeDiffError it has no answer; the text says why.
     */
    fun ask(question: Question): Outcome {
        val base = opened()
        val (name, text, pair) = question
        val full = maxOf(text.length, pair.orEmpty().length) >= MAX_CHARACTERS
        val cut = full || base.cuts(name, text, pair)
        val switchTime = measureTime { base.activate(name) }
        val (answers, runTime) = measureTimedValue { base.run(name, listOf(text), pair?.let(::listOf)) }
        return Outcome(question, answers.single(), cut, base.tasks.getValue(name).fileBytes, switchTime, runTime)
    }

    /**
     * Switches [count] times from task to task, in turn (with a single task, between it and the base alone), and gives
     * the median time of a switch.
     *
     * @throws NoTaskProblem there is no task.
     */
    fun measure(count: Int): Duration {
        val base = opened()
        val names = base.tasks.keys.toList().ifEmpty { throw NoTaskProblem() }
        val turns = if (names.size > 1) names else names + null
        fun to(name: String?) = if (name == null) base.deactivate() else base.activate(name)
        turns.forEach(::to) // the first use of a task reads its file
        return List(count) { turn -> measureTime { to(turns[turn % turns.size]) } }.sorted()[count / 2]
    }

    /**
     * Takes a `.dpf` file from elsewhere, and keeps it if it fits the base.
     *
     * @throws EdgeDiffError it does not, and nothing of it is left.
     * @throws IOException it cannot be read or kept.
     */
    fun take(document: Document): BaseTask = places.arriving(document.name) { file ->
        val base = opened()
        document.content.use { from -> file.outputStream().use { to -> copyAtMost(MAX_BYTES, from, to) } }
        val onTrial = UUID.randomUUID().toString() // a name that no other task has
        base.add(file, onTrial)
        try {
            base.activate(onTrial) // reads all of the file
        } finally {
            base.remove(onTrial)
        }
        base.addFreely(places.keep(file))
    }

    /** The tasks in the order in which they were added. */
    fun tasks(): List<BaseTask> = opened().tasks.values.toList()

    override fun close() {
        base?.close()
        base = null
    }

    private fun opened(): OpenBase = base ?: throw NoBaseProblem()

    private fun unpackedBase(): File {
        val files = packed()
        if (files.isNotEmpty()) places.unpack(files)
        return places.base() ?: throw NoBaseProblem()
    }
}

/** Adds a task under its own name, or with a number behind it if that is taken. */
private fun OpenBase.addFreely(file: File): BaseTask {
    val name = readHeader(file).task.name
    val names = sequenceOf(name) + generateSequence(2) { it + 1 }.map { "$name ($it)" }
    return add(file, names.first { it !in tasks })
}

private fun copyAtMost(bytes: Long, from: InputStream, to: OutputStream) {
    val buffer = ByteArray(1 shl 16)
    var left = bytes
    while (left > 0) {
        val count = from.read(buffer, 0, minOf(left, buffer.size.toLong()).toInt())
        if (count < 0) return
        to.write(buffer, 0, count)
        left -= count
    }
}
