package edgediff.runtime

import edgediff.diff.Diff
import edgediff.diff.Head
import edgediff.diff.Kind
import edgediff.diff.Metric
import edgediff.diff.Product
import edgediff.diff.Task
import edgediff.diff.TensorDiff
import edgediff.format.Manifest
import edgediff.tokens.Batch
import kotlin.math.abs
import kotlin.math.sin
import kotlin.math.sqrt

private const val ENTRIES = 64 // of each parameter
private const val TOKENS = 7
private const val LEAST_VOCABULARY = 10
private const val STEP = 0.1f
private const val TOLERANCE = 1e-5f // of the largest logit: threads may be others than in the proof
private val GOLDEN = (1 + sqrt(5.0)) / 2

/** The trial that live mode is put to: a made-up diff over every parameter of a base, and a fixed input. */
internal class Trial(private val manifest: Manifest) {
    /** Some entries of every parameter, changed by about as much as a trained diff changes them. */
    val diff: Diff = run {
        val width = manifest.base.width
        val task = Task("trial", Kind.CLASSIFICATION, "text", null, "label", listOf("no", "yes"), Metric.ACCURACY, null, 128)
        val tensors = manifest.parameters.map { parameter ->
            // Half of them in the first rows, which the trial's tokens look up.
            val first = minOf(parameter.numel.toLong(), LEAST_VOCABULARY * parameter.shape.last()).toInt()
            val indices = (scattered(first) + scattered(parameter.numel)).toSortedSet().toLongArray()
            val values = wave(indices.size).also { for (i in it.indices) it[i] *= STEP }
            TensorDiff(parameter.name, parameter.shape, indices, values)
        }
        Diff(manifest.base, task, tensors, Head(wave(2 * width), FloatArray(2)), emptyMap(), FloatArray(0))
    }

    /**
     * What a patched session says of the input, and what it says after the diff was taken back; if [wholly], then also with a
     * product, of rank 1, for a matrix as kernels pack them, if the base has one.
     */
    fun ask(patcher: Patcher, wholly: Boolean): List<FloatArray> {
        val products = listOfNotNull(manifest.parameters.firstOrNull { it.transposed }).map { matrix ->
            val (left, right) = matrix.shape.map { size -> wave(size.toInt()).also { for (i in it.indices) it[i] *= STEP } }
            Product(matrix.name, matrix.shape, 1, left, right)
        }
        val parts = listOfNotNull(part(diff.tensors), part(emptyList()), part(emptyList(), products).takeIf { wholly })
        return parts.map { part ->
            patcher.prepare(this, part)
            patcher.activate(this)
            HeadFeeds(part).use { patcher.session.logits(it.output, input(), it.tensors) }
                .also { patcher.forget(this) }
        }
    }

    private fun part(tensors: List<TensorDiff>, products: List<Product> = emptyList()) =
        Diff(diff.base, diff.task, tensors, diff.head, emptyMap(), diff.levels, products)

    private fun input(): Batch {
        // Low token numbers are in every vocabulary.
        val tokens = LongArray(TOKENS) { 3L * it % LEAST_VOCABULARY }
        return Batch(1, TOKENS, manifest.inputs.associateWith { name ->
            when (name) {
                "input_ids" -> tokens
                "attention_mask" -> LongArray(TOKENS) { 1 }
                else -> LongArray(TOKENS)
            }
        })
    }
}

/**
 * Checks the answers of a trial.
 *
 * @throws UnsureError they are others, by a bit if [exact].
 */
internal fun compare(found: List<FloatArray>, wanted: List<FloatArray>, exact: Boolean) {
    for ((what, logits) in listOf("patched", "reverted", "product's").zip(found.zip(wanted))) {
        val (one, other) = logits
        val most = other.maxOf(::abs)
        val same = if (exact) one.contentEquals(other) else one.indices.all { abs(one[it] - other[it]) <= TOLERANCE * most }
        if (!same) throw UnsureError("the live session's $what logits are not those of an ordinary one")
    }
}

/** Numbers from 0 to below [end], spread evenly and in no step with rows: multiples of the golden ratio. */
private fun scattered(end: Int): List<Long> = List(ENTRIES / 2) { (it * GOLDEN % 1 * end).toLong() }

private fun wave(length: Int) = FloatArray(length) { sin(it + 1f) }
