package edgediff.format

import edgediff.diff.Kind
import edgediff.diff.Metric
import edgediff.diff.Task

private const val DEFAULT_LABEL = "label"
private const val DEFAULT_ANSWERS = "answers"
private const val DEFAULT_MAX_LENGTH = 128
private val MAX_LENGTHS = 3L..65_535L
private val KEYS = listOf("name", "kind", "text", "text_pair", "label", "metric", "answers", "labels", "max_length")
private val NAMED = listOf(Kind.CLASSIFICATION, Kind.MULTI_LABEL, Kind.TOKEN_CLASSIFICATION)

/** The metrics that fit each kind; the first is the default. */
private val METRICS = mapOf(
    Kind.CLASSIFICATION to listOf(Metric.ACCURACY, Metric.F1, Metric.MATTHEWS_CORRELATION),
    Kind.REGRESSION to listOf(Metric.PEARSON_SPEARMAN),
    Kind.MULTI_LABEL to listOf(Metric.F1, Metric.ACCURACY),
    Kind.TOKEN_CLASSIFICATION to listOf(Metric.F1, Metric.ACCURACY),
    Kind.QUESTION_ANSWERING to listOf(Metric.F1),
)

/**
 * The field `task` of META.
 *
 * @throws JsonError a key is missing, unknown, of the wrong type, or does not fit the kind.
 */
internal fun taskOf(fields: Fields): Task {
    fields.names.firstOrNull { it !in KEYS }?.let { key ->
        throw JsonError("${fields.where}: unknown key ${shown(key)}; a task has ${KEYS.joinToString()}")
    }
    val kind = kindOf(fields)
    val answering = kind == Kind.QUESTION_ANSWERING
    val foreign = if (answering) "label" else "answers"
    if (foreign in fields.names) throw JsonError("${fields.where}: a ${kind.text} task has no key $foreign")
    return Task(
        name = filled(fields, "name"),
        kind = kind,
        text = filled(fields, "text"),
        textPair = optional(fields, "text_pair"),
        label = if (answering) null else optional(fields, "label") ?: DEFAULT_LABEL,
        labels = labelsOf(fields, kind),
        metric = metricOf(fields, kind),
        answers = if (answering) optional(fields, "answers") ?: DEFAULT_ANSWERS else null,
        maxLength = maxLengthOf(fields),
    )
}

private fun kindOf(fields: Fields): Kind {
    val found = filled(fields, "kind")
    return Kind.entries.find { it.text == found }
        ?: fields.fail("kind", "one of ${Kind.entries.joinToString { it.text }}")
}

private fun metricOf(fields: Fields, kind: Kind): Metric {
    val allowed = METRICS.getValue(kind)
    val found = optional(fields, "metric") ?: return allowed.first()
    return allowed.find { it.text == found }
        ?: fields.fail("metric", "one of ${allowed.joinToString { it.text }} for a ${kind.text} task")
}

private fun labelsOf(fields: Fields, kind: Kind): List<String> {
    if (kind !in NAMED) {
        if ("labels" in fields.names) throw JsonError("${fields.where}: a ${kind.text} task has no labels")
        return emptyList()
    }
    val labels = fields.array("labels").map { it as? String ?: fields.fail("labels", "an array of texts") }
    if (labels.size < 2 || labels.toSet().size < labels.size) {
        fields.fail("labels", "two texts or more, all different")
    }
    return labels
}

private fun maxLengthOf(fields: Fields): Int =
    if ("max_length" in fields.names) fields.integer("max_length", MAX_LENGTHS).toInt() else DEFAULT_MAX_LENGTH

private fun filled(fields: Fields, name: String): String =
    fields.text(name).ifEmpty { fields.fail(name, "a text that is not empty") }

private fun optional(fields: Fields, name: String): String? = if (name in fields.names) filled(fields, name) else null
