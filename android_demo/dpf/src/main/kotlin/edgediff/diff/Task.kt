package edgediff.diff

/** What is predicted from a text or a pair of texts; [text] is its name in a `.dpf` file. */
enum class Kind(val text: String) {
    CLASSIFICATION("classification"),
    REGRESSION("regression"),
    MULTI_LABEL("multi_label"),
    TOKEN_CLASSIFICATION("token_classification"),
    QUESTION_ANSWERING("question_answering"),
}

/** How predictions are scored; [text] is its name in a `.dpf` file. */
enum class Metric(val text: String) {
    ACCURACY("accuracy"),
    F1("f1"),
    MATTHEWS_CORRELATION("matthews_correlation"),
    PEARSON_SPEARMAN("pearson_spearman"),
}

/**
 * A task's definition.
 *
 * @property name for people and for the switch between tasks.
 * @property text the field of a row that holds the (first) text; the question for question answering.
 * @property textPair the field that holds the second text, or null; the context for question answering.
 * @property label the field that holds the label, or null for question answering.
 * @property labels the label names in the order of the logits; empty for regression and answers.
 * @property answers the field that holds the answers, for question answering.
 * @property maxLength texts are cut to this many tokens, special tokens included.
 */
data class Task(
    val name: String,
    val kind: Kind,
    val text: String,
    val textPair: String?,
    val label: String?,
    val labels: List<String>,
    val metric: Metric,
    val answers: String?,
    val maxLength: Int,
) {
    /** Whether the head is applied to every token, not to the pooled feature. */
    val perToken: Boolean get() = kind == Kind.TOKEN_CLASSIFICATION || kind == Kind.QUESTION_ANSWERING

    /** Whether the task is asked with pairs of texts. */
    val takesTwo: Boolean get() = textPair != null || kind == Kind.QUESTION_ANSWERING

    /** How many rows the head's weight has. */
    val outputs: Int
        get() = when (kind) {
            Kind.REGRESSION -> 1
            Kind.QUESTION_ANSWERING -> 2
            else -> labels.size
        }
}
