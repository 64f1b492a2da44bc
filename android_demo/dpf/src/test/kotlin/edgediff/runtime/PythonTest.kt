package edgediff.runtime

import edgediff.tokens.Tokens
import edgediff.format.readManifest
import kotlin.math.abs
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Test

/** What Python says of a hundred texts of each task, Kotlin says. */
class PythonTest {
    @Test
    fun `logits are those of Python, in a session of its own`() = logitsAreThoseOfPython(session)

    @Test
    fun `logits are those of Python, patched in place`() = logitsAreThoseOfPython(live)

    @Test
    fun `answers are those of Python`() {
        for (expected in Expected.all) {
            val answers = live.run(live.tasks.values.first { it.file == expected.file }.name, expected.texts, expected.pairs)
            for ((found, wanted) in answers.zip(expected.answers)) {
                when (found) {
                    is Answer -> {
                        assertEquals(wanted.text("label"), found.labels.single())
                        val scores = wanted.fields("scores")
                        for ((label, score) in found.scores) assertEquals(scores.number(label), score, 1e-5)
                    }
                    is LabelledWords -> {
                        val words = wanted.array("words").map { edgediff.format.Fields.of(it, "word") }
                        assertEquals(words.map { it.text("word") to it.text("label") }, found.words.map { it.word to it.label })
                    }
                    is Span -> error("no task here answers questions")
                }
            }
        }
    }

    private fun logitsAreThoseOfPython(base: OpenBase) {
        assertEquals(3, Expected.all.size)
        for (expected in Expected.all) {
            val task = base.tasks.values.first { it.file == expected.file }
            val tokens = Tokens(Fixtures.base, readManifest(Fixtures.base), task.definition)
            assertEquals(100, expected.texts.size)
            for ((row, text) in expected.texts.withIndex()) {
                val feature = tokens.features(listOf(text), expected.pairs?.let { listOf(it[row]) }).single()
                val found = base.logits(task.name, tokens.pad(listOf(feature)))
                val wanted = expected.logits[row]
                assertEquals(wanted.size, found.size)
                // Another release of onnxruntime adds up in another order: float32 is exact to 6e-8 of the largest.
                val allowed = maxOf(1e-5f, 2e-6f * wanted.maxOf { abs(it) })
                val error = found.indices.maxOf { abs(found[it] - wanted[it]) }
                assertTrue(error <= allowed, "$text: $error from Python's logits, at most $allowed is allowed")
            }
        }
    }

    companion object {
        private val session = opened(Mode.SESSION)
        private val live = opened(Mode.LIVE)

        private fun opened(mode: Mode) =
            openBase(Fixtures.base, Fixtures.cache, mode, threads = 1).apply { Fixtures.tasks.forEach { add(it) } }

        @AfterAll
        @JvmStatic
        fun close() {
            session.close()
            live.close()
        }
    }
}
