package edgediff.runtime

import edgediff.tokens.Feature
import edgediff.tokens.stripped

private const val N_BEST = 20
private const val MAX_ANSWER_TOKENS = 30

/**
 * The best span of a question's context (Devlin et al., arXiv 1810.04805, section 4.2).
 *
 * The [N_BEST] starts and ends of each window are paired; a span lies in the context and has at most
 * [MAX_ANSWER_TOKENS] tokens. No answer (both ends at the first token, the worst window counts) competes with the
 * spans.
 *
 * @param features the windows of the context.
 * @param logits `(tokens, 2)` of each window, start and end, token after token.
 */
internal fun bestSpan(features: List<Feature>, logits: List<FloatArray>, context: String): Span {
    var best = Span("", 0, Double.NEGATIVE_INFINITY)
    var nothing = Double.POSITIVE_INFINITY
    for ((feature, scores) in features.zip(logits)) {
        val worst = (scores[0] + scores[1]).toDouble()
        if (worst < nothing) nothing = worst // 0 and -0 are one, as in Python
        val found = bestInWindow(feature, scores, context)
        if (found != null && found.score > best.score) best = found
    }
    return if (nothing > best.score) Span("", 0, nothing) else best
}

private fun bestInWindow(feature: Feature, scores: FloatArray, context: String): Span? {
    val places = (0 until feature.size).filter { feature.sequence[it] == 1 }
    // Adding zero makes 0 of -0, which Kotlin would sort apart from it.
    fun best(column: Int) = places.sortedByDescending { scores[2 * it + column] + 0f }.take(N_BEST)
    val ends = best(1)
    val pairs = best(0).flatMap { start -> ends.map { start to it } }
    val (start, end) = pairs.filter { (start, end) -> end - start in 0 until MAX_ANSWER_TOKENS }
        .maxByOrNull { (start, end) -> scores[2 * start] + scores[2 * end + 1] + 0f } ?: return null
    val first = feature.starts[start]
    // Some tokenizers count the space before a word to its token.
    val (text, dropped) = stripped(context.substring(first, feature.ends[end]))
    return Span(text, first + dropped, (scores[2 * start] + scores[2 * end + 1]).toDouble())
}
