package edgediff.tokens

import edgediff.DataError
import edgediff.diff.Kind
import edgediff.diff.Task
import edgediff.format.Manifest
import java.io.File

private const val SHOWN = 80

/**
 * The tokenizer of a base bundle, set to a task.
 *
 * A text longer than the maximum is cut, the longer text of a pair first; a context of question answering is seen
 * through windows instead, each overlapping the last by a third of the maximum.
 *
 * @throws edgediff.BundleError the bundle's tokenizer cannot be read.
 */
class Tokens(bundle: File, private val manifest: Manifest, task: Task) {
    private val file = readTokenizer(bundle)
    private val windows = task.kind == Kind.QUESTION_ANSWERING
    private val maxLength = minOf(task.maxLength, manifest.maxLength)
    private val overlap = maxLength / 3

    /**
     * The features of each text or pair, in order; only a long context of a question has several.
     *
     * @throws DataError a question leaves too little room for its context.
     */
    fun features(texts: List<String>, pairs: List<String>? = null): List<Feature> =
        texts.indices.flatMap { row ->
            val first = file.wordPiece.encode(texts[row])
            val second = pairs?.let { file.wordPiece.encode(it[row]) }
            when {
                second == null -> listOf(single(row, first))
                windows -> windows(row, first, second, texts[row])
                else -> listOf(pair(row, first, second))
            }
        }

    /** One batch of features, filled up to the longest. */
    fun pad(features: List<Feature>): Batch {
        val longest = features.maxOfOrNull { it.size } ?: 0
        fun filled(fill: Long, value: (Feature, Int) -> Int) = LongArray(features.size * longest) { place ->
            val feature = features[place / longest]
            val at = place % longest
            if (at < feature.size) value(feature, at).toLong() else fill
        }
        return Batch(features.size, longest, manifest.inputs.associateWith { name ->
            when (name) {
                "input_ids" -> filled(manifest.padTokenId) { feature, at -> feature.ids[at] }
                "token_type_ids" -> filled(manifest.padTokenTypeId) { feature, at -> feature.types[at] }
                else -> filled(0) { _, _ -> 1 }
            }
        })
    }

    private fun single(row: Int, text: Pieces): Feature {
        val room = room(file.single)
        return featureOf(row, file.single, listOf(text.slice(0, minOf(room, text.size))), text.size > room)
    }

    /** The longer of two is cut to the shorter's length, or to what that leaves, before both are cut to half. */
    private fun pair(row: Int, first: Pieces, second: Pieces): Feature {
        val room = room(file.pair)
        if (first.size + second.size <= room) return featureOf(row, file.pair, listOf(first, second), false)
        var shorter = minOf(first.size, second.size)
        var longer = maxOf(shorter, room - shorter)
        if (shorter + longer > room) {
            shorter = room / 2
            longer = shorter + room % 2
        }
        val (kept, other) = if (first.size > second.size) longer to shorter else shorter to longer
        return featureOf(row, file.pair, listOf(first.slice(0, kept), second.slice(0, other)), true)
    }

    private fun windows(row: Int, question: Pieces, context: Pieces, text: String): List<Feature> {
        val room = file.pair.room(maxLength) - question.size
        if (context.size > room && room <= overlap) {
            throw DataError(
                "the question '${text.take(SHOWN)}' has ${question.size} tokens, which leaves too little room" +
                    " for its context: max_length is $maxLength",
            )
        }
        val starts = if (context.size <= room) listOf(0) else (0 until context.size - overlap step room - overlap).toList()
        return starts.map { start ->
            val window = context.slice(start, minOf(start + room, context.size))
            featureOf(row, file.pair, listOf(question, window), false)
        }
    }

    private fun room(template: Template): Int = maxOf(template.room(maxLength), 0)
}

/** How many tokens of texts fit into [length]. */
private fun Template.room(length: Int): Int = length - count { it is Slot.Special }
