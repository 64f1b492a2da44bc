package edgediff.runtime

/** What one text is answered with, by the kind of task: labels or a number, labelled words, a span of the context. */
sealed interface AnyAnswer

/**
 * What a task says of one text.
 *
 * @property labels the most likely label alone, or the labels more likely than not for multi-label tasks; empty for
 *   regression.
 * @property number the predicted number for regression, else null.
 * @property scores a probability for each label (adding up to 1 but for multi-label tasks); empty for regression.
 */
data class Answer(val labels: List<String>, val number: Float?, val scores: Map<String, Double>) : AnyAnswer

/**
 * What a task that labels tokens says of one word.
 *
 * @property word as in the text.
 * @property label the most likely label; null if the model saw nothing of the word: it was cut off, or the tokenizer
 *   drops its characters.
 * @property probability of the label; 0 without one.
 */
data class LabelledWord(val word: String, val label: String?, val probability: Double)

/** The words of a text, parted by white space, in order, with their labels. */
data class LabelledWords(val words: List<LabelledWord>) : AnyAnswer

/**
 * A part of a context.
 *
 * @property text the answer; empty if the question has none in this context.
 * @property start the place of its first character in the context, in UTF-16 units as Kotlin counts.
 * @property score its start and end logit added.
 */
data class Span(val text: String, val start: Int, val score: Double) : AnyAnswer
