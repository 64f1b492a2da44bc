package edgediff.demo

import android.os.Bundle
import edgediff.runtime.AnyAnswer
import edgediff.runtime.Answer
import edgediff.runtime.LabelledWord
import edgediff.runtime.LabelledWords
import edgediff.runtime.Span
import kotlin.time.Duration.Companion.nanoseconds

/** What is kept of a state when the process ends: all that its files do not tell. */
fun State.toBundle() = Bundle().apply {
    putString("chosen", chosen)
    median?.let { putLong("median", it.inWholeNanoseconds) }
    outcome?.let { putBundle("outcome", it.toBundle()) }
}

/** The state to go on with. */
fun Bundle.toState() = State(
    chosen = getString("chosen"),
    median = if (containsKey("median")) getLong("median").nanoseconds else null,
    outcome = getBundle("outcome")?.toOutcome(),
)

private fun Outcome.toBundle() = Bundle().apply {
    putStringArray("question", arrayOf(question.task, question.text, question.pair))
    putBundle("answer", answer.toBundle())
    putBoolean("cut", cut)
    putLong("fileBytes", fileBytes)
    putLong("switchTime", switchTime.inWholeNanoseconds)
    putLong("runTime", runTime.inWholeNanoseconds)
}

private fun Bundle.toOutcome(): Outcome {
    val (task, text, pair) = checkNotNull(getStringArray("question"))
    return Outcome(
        question = Question(task, text, pair),
        answer = checkNotNull(getBundle("answer")).toAnswer(),
        cut = getBoolean("cut"),
        fileBytes = getLong("fileBytes"),
        switchTime = getLong("switchTime").nanoseconds,
        runTime = getLong("runTime").nanoseconds,
    )
}

private fun AnyAnswer.toBundle() = Bundle().apply {
    when (val answer = this@toBundle) {
        is Answer -> {
            putStringArray("labels", answer.labels.toTypedArray())
            answer.number?.let { putFloat("number", it) }
            putStringArray("names", answer.scores.keys.toTypedArray())
            putDoubleArray("scores", answer.scores.values.toDoubleArray())
        }
        is LabelledWords -> {
            putStringArray("words", answer.words.map { it.word }.toTypedArray())
            putStringArray("labels", answer.words.map { it.label }.toTypedArray())
            putDoubleArray("scores", answer.words.map { it.probability }.toDoubleArray())
        }
        is Span -> {
            putString("span", answer.text)
            putInt("start", answer.start)
            putDouble("score", answer.score)
        }
    }
}

private fun Bundle.toAnswer(): AnyAnswer {
    getString("span")?.let { return Span(it, getInt("start"), getDouble("score")) }
    val scores = checkNotNull(getDoubleArray("scores"))
    val labels = checkNotNull(getStringArray("labels"))
    val words = getStringArray("words") ?: return Answer(
        labels = labels.asList(),
        number = if (containsKey("number")) getFloat("number") else null,
        scores = checkNotNull(getStringArray("names")).zip(scores.asIterable()).toMap(),
    )
    return LabelledWords(words.indices.map { LabelledWord(words[it], labels[it], scores[it]) })
}
