package edgediff.runtime

import ai.onnxruntime.OrtSession
import edgediff.diff.Diff
import edgediff.diff.Product

/**
 * One session for all diffs; a switch writes the base's values back and the next diff's in.
 *
 * The base's values at single entries are kept on the heap; those of parameters that change as a whole are looked up in
 * [base], where they are.
 */
internal class LivePatcher(internal val live: LiveSession, private val base: BaseWeights) : Patcher {
    override val mode get() = Mode.LIVE
    override val session: OrtSession get() = live.session

    private val placed = HashMap<Any, Placed>()
    private var active: Placed? = null

    /**
     * A diff in the session.
     *
     * @property products what changes parameters as a whole.
     * @property where the float32s of single entries.
     * @property base what they hold without it.
     * @property patched what they hold with it, their products included.
     */
    private class Placed(
        val products: List<Product>,
        val where: IntArray,
        val base: FloatArray,
        val patched: FloatArray,
    )

    /** What places hold without the diff is read from the session itself, with nothing active. */
    override fun prepare(key: Any, diff: Diff) {
        activate(null)
        val products = diff.products.associateBy { it.name }
        val where = IntArray(diff.nnz)
        val base = FloatArray(diff.nnz)
        val patched = FloatArray(diff.nnz)
        var filled = 0
        for (tensor in diff.tensors) {
            val place = live.places.getValue(tensor.name)
            val product = products[tensor.name]
            for (i in tensor.indices.indices) {
                val index = tensor.indices[i].toInt()
                where[filled] = place.find(index)
                base[filled] = live.weights.get(where[filled])
                val whole = if (product == null) base[filled] else base[filled] + product.at(index)
                patched[filled] = whole + tensor.values[i]
                filled++
            }
        }
        placed[key] = Placed(diff.products, where, base, patched)
    }

    override fun activate(key: Any?) {
        val following = key?.let(placed::getValue)
        if (following === active) return
        active?.let { diff ->
            live.write(diff.where, diff.base)
            for (product in diff.products) restore(product)
        }
        active = following
        following?.let { diff ->
            for (product in diff.products) add(product)
            live.write(diff.where, diff.patched)
        }
    }

    private fun restore(product: Product) {
        val place = live.places.getValue(product.name)
        val values = base.of(product.name)
        for (index in 0 until values.size) live.weights.put(place.find(index), values[index])
    }

    private fun add(product: Product) {
        val place = live.places.getValue(product.name)
        val values = base.of(product.name)
        product.forEach { index, added -> live.weights.put(place.find(index), values[index] + added) }
    }

    override fun forget(key: Any) {
        if (placed[key] === active) activate(null)
        placed.remove(key)
    }

    override fun close() = live.close()
}
