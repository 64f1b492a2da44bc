package edgediff.runtime

import edgediff.DataError
import edgediff.diff.Kind
import edgediff.diff.Task
import edgediff.tokens.Batch
import edgediff.tokens.Feature
import edgediff.tokens.Tokens
import edgediff.tokens.firstTokens
import edgediff.tokens.joinWords
import edgediff.tokens.splitWords
import kotlin.math.exp

private const val BATCH_ROWS = 32

/**
 * The answer for each of [texts], or each pair, with the logits that [run] gives for a batch, row after row.
 *
 * @throws DataError the task takes one text and got pairs, or the other way round; or a question leaves too little room
 *   for its context.
 */
internal fun answerTexts(
    task: Task,
    tokens: Tokens,
    run: (Batch) -> FloatArray,
    texts: List<String>,
    pairs: List<String>?,
): List<AnyAnswer> {
    checkTexts(task, texts, pairs)
    val words = if (task.kind == Kind.TOKEN_CLASSIFICATION) texts.map(::splitWords) else null
    val features = tokens.features(words?.map(::joinWords) ?: texts, pairs)
    val logits = inBatches(task, tokens, run, features)
    return when {
        words != null -> features.indices.map { labelledWords(task, features[it], logits[it], words[it]) }
        task.kind == Kind.QUESTION_ANSWERING -> {
            val windows = features.indices.groupBy { features[it].row }
            pairs.orEmpty().mapIndexed { row, context ->
                val own = windows.getValue(row)
                bestSpan(own.map(features::get), own.map(logits::get), context)
            }
        }
        else -> logits.map { answer(task, it) }
    }
}

private fun checkTexts(task: Task, texts: List<String>, pairs: List<String>?) {
    if ((pairs != null) != task.takesTwo) {
        val (wanted, found) = if (task.takesTwo) "two texts" to "one" else "one text" to "two"
        throw DataError("task ${task.name} takes $wanted, found $found")
    }
    if (pairs != null && pairs.size != texts.size) {
        throw DataError("found ${texts.size} texts and ${pairs.size} second texts, expected as many of both")
    }
}

/** The logits of each feature, in the order given; batches hold features of like length, which saves padding. */
private fun inBatches(task: Task, tokens: Tokens, run: (Batch) -> FloatArray, features: List<Feature>): List<FloatArray> {
    val logits = arrayOfNulls<FloatArray>(features.size)
    for (chosen in features.indices.sortedBy { features[it].size }.chunked(BATCH_ROWS)) {
        val batch = tokens.pad(chosen.map(features::get))
        val found = run(batch)
        val width = if (task.perToken) batch.tokens * task.outputs else task.outputs
        for ((row, feature) in chosen.withIndex()) {
            val kept = if (task.perToken) features[feature].size * task.outputs else width
            logits[feature] = found.copyOfRange(row * width, row * width + kept)
        }
    }
    return logits.map { checkNotNull(it) }
}

/** The answer in one row of logits, of a task that labels whole texts. */
internal fun answer(task: Task, logits: FloatArray): Answer = when (task.kind) {
    Kind.REGRESSION -> Answer(emptyList(), logits[0], emptyMap())
    Kind.MULTI_LABEL -> {
        val each = logits.map { 1 / (1 + exp(-it.toDouble())) }
        Answer(task.labels.filterIndexed { i, _ -> each[i] > 0.5 }, null, task.labels.zip(each).toMap())
    }
    else -> {
        val probabilities = softmax(logits)
        Answer(listOf(task.labels[logits.largest()]), null, task.labels.zip(probabilities.asList()).toMap())
    }
}

/** Each word's label by the `(tokens, outputs)` logits of a feature: that of the word's first token. */
internal fun labelledWords(task: Task, feature: Feature, logits: FloatArray, words: List<String>): LabelledWords {
    val firsts = firstTokens(feature, words)
    return LabelledWords(
        words.mapIndexed { word, text ->
            val token = firsts[word]
            if (token < 0) return@mapIndexed LabelledWord(text, null, 0.0)
            val scores = logits.copyOfRange(token * task.outputs, (token + 1) * task.outputs)
            val label = scores.largest()
            LabelledWord(text, task.labels[label], softmax(scores)[label])
        },
    )
}

private fun softmax(logits: FloatArray): DoubleArray {
    val most = logits[logits.largest()].toDouble()
    val exponentials = DoubleArray(logits.size) { exp(logits[it] - most) }
    val sum = exponentials.sum()
    return DoubleArray(logits.size) { exponentials[it] / sum }
}

/** The index of the largest, the first of several; zero and -0 are the same. */
private fun FloatArray.largest(): Int {
    var largest = 0
    for (i in indices) if (this[i] > this[largest]) largest = i
    return largest
}
