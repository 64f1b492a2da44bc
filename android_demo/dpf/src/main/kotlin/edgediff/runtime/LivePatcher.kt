package edgediff.runtime

import ai.onnxruntime.OrtSession
import edgediff.diff.Diff

/** One session for all diffs; a switch writes the base's values back and the next diff's in. */
internal class LivePatcher(internal val live: LiveSession) : Patcher {
    override val mode get() = Mode.LIVE
    override val session: OrtSession get() = live.session

    private val placed = HashMap<Any, Placed>()
    private var active: Placed? = null

    /**
     * A diff in the session.
     *
     * @property where the float32s that it changes.
     * @property base what they hold without it.
     * @property patched what they hold with it.
     */
    private class Placed(val where: IntArray, val base: FloatArray, val patched: FloatArray)

    /** What places hold without the diff is read from the session itself, with nothing active. */
    override fun prepare(key: Any, diff: Diff) {
        activate(null)
        val where = IntArray(diff.nnz)
        val base = FloatArray(diff.nnz)
        val patched = FloatArray(diff.nnz)
        var filled = 0
        for (tensor in diff.tensors) {
            val place = live.places.getValue(tensor.name)
            for (i in tensor.indices.indices) {
                where[filled] = place.find(tensor.indices[i].toInt())
                base[filled] = live.weights.get(where[filled])
                patched[filled] = base[filled] + tensor.values[i]
                filled++
            }
        }
        placed[key] = Placed(where, base, patched)
    }

    override fun activate(key: Any?) {
        val following = key?.let(placed::getValue)
        if (following === active) return
        active?.let { live.write(it.where, it.base) }
        following?.let { live.write(it.where, it.patched) }
        active = following
    }

    override fun forget(key: Any) {
        if (placed[key] === active) activate(null)
        placed.remove(key)
    }

    override fun close() = live.close()
}
