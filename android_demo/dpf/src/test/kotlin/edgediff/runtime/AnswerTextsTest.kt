package edgediff.runtime

import edgediff.diff.Kind
import edgediff.format.Fields
import edgediff.format.readManifest
import edgediff.format.taskOf
import edgediff.tokens.Batch
import edgediff.tokens.Tokens
import kotlin.math.abs
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

private const val CLOSE = 1e-12

/** Out of the same logits come the answers that Python gives, for every kind of task. */
class AnswerTextsTest {
    @Test
    fun `labels are Python's`() = assertAnswersArePythons(Kind.CLASSIFICATION)

    @Test
    fun `numbers are Python's`() = assertAnswersArePythons(Kind.REGRESSION)

    @Test
    fun `labels of which several may hold are Python's`() = assertAnswersArePythons(Kind.MULTI_LABEL)

    @Test
    fun `labels of words are Python's`() = assertAnswersArePythons(Kind.TOKEN_CLASSIFICATION)

    @Test
    fun `answers to questions are Python's`() = assertAnswersArePythons(Kind.QUESTION_ANSWERING)

    private fun assertAnswersArePythons(kind: Kind) {
        val case = cases.getValue(kind)
        val task = taskOf(case.fields("task"))
        val texts = texts(case, "texts")
        val pairs = if (case.isNull("pairs")) null else texts(case, "pairs")
        val batches = case.array("batches").map { Fields.of(it, "batch") }.iterator()
        val tokens = Tokens(Fixtures.base, readManifest(Fixtures.base), task)
        val found = answerTexts(task, tokens, { answered(it, batches.next()) }, texts, pairs)
        assertTrue(!batches.hasNext(), "fewer batches than Python's")
        val wanted = case.array("answers").map { Fields.of(it, "answer") }
        assertEquals(wanted.size, found.size)
        for (row in found.indices) assertSame(wanted[row], found[row], pairs?.get(row) ?: texts[row])
    }

    /** The logits that Python had for a batch, which must be the same. */
    private fun answered(batch: Batch, wanted: Fields): FloatArray {
        val inputs = wanted.fields("inputs")
        assertEquals(inputs.names, batch.inputs.keys)
        for ((name, values) in batch.inputs) {
            assertEquals(inputs.array(name).flatMap { it as List<*> }, values.asList(), name)
        }
        return wanted.array("logits").map { (it as Double).toFloat() }.toFloatArray()
    }

    private fun assertSame(wanted: Fields, found: AnyAnswer, text: String) = when (found) {
        is Answer -> {
            val label = found.number?.toDouble() ?: found.labels
            assertEquals(wanted.value("label"), label, text)
            assertScores(wanted.fields("scores"), found.scores, text)
        }
        is LabelledWords -> {
            val words = wanted.array("words").map { Fields.of(it, "word") }
            val labels = found.words.map { it.word to listOfNotNull(it.label) }
            assertEquals(words.map { it.text("word") to it.value("label") }, labels)
            for ((word, own) in words.zip(found.words)) assertClose(word.number("probability"), own.probability, text)
        }
        is Span -> {
            val start = text.offsetByCodePoints(0, wanted.integer("start").toInt()) // Python counts code points
            assertEquals(wanted.text("text") to start, found.text to found.start, text)
            assertEquals(wanted.number("score"), found.score, text)
        }
    }

    private fun assertScores(wanted: Fields, found: Map<String, Double>, text: String) {
        assertEquals(wanted.names.toList(), found.keys.toList(), text)
        for ((label, score) in found) assertClose(wanted.number(label), score, text)
    }

    private fun assertClose(wanted: Double, found: Double, text: String) =
        assertTrue(abs(wanted - found) <= CLOSE, "$text: found $found, expected $wanted")

    private companion object {
        val cases: Map<Kind, Fields> by lazy {
            Fixtures.json("answers.json").array("kinds").map { Fields.of(it, "case") }
                .associateBy { taskOf(it.fields("task")).kind }
        }

        fun texts(case: Fields, name: String) = case.array(name).map { it as String }

        /** One label, several or none, as a list; or a number. */
        fun Fields.value(name: String): Any = when {
            isNull(name) -> emptyList<String>()
            else -> runCatching { array(name) }.recoverCatching { listOf(text(name)) }.getOrElse { number(name) }
        }
    }
}
