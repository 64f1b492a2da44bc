package edgediff.runtime

import ai.onnxruntime.OnnxTensorLike
import ai.onnxruntime.OrtSession
import edgediff.diff.Diff
import edgediff.format.MODEL_FILE
import edgediff.format.Manifest
import edgediff.format.WEIGHTS_FILE
import java.io.File
import java.nio.FloatBuffer
import java.nio.channels.FileChannel

/** Sessions that are kept open. */
private const val MAX_SESSIONS = 4

/** A session for each diff, by documented ways alone; the least used are closed. */
internal class SessionPatcher(
    private val bundle: File,
    private val manifest: Manifest,
    private val threads: Int,
) : Patcher {
    override val mode get() = Mode.SESSION
    override val session: OrtSession get() = checkNotNull(active) { "no diff is active" }

    private val diffs = HashMap<Any, Diff>()
    private val sessions = LinkedHashMap<Any, OrtSession>(MAX_SESSIONS, 1f, true) // in the order of use
    private var active: OrtSession? = null

    override fun prepare(key: Any, diff: Diff) {
        diffs[key] = diff
    }

    override fun activate(key: Any?) {
        if (key == null) return
        active = sessions[key] ?: open(diffs.getValue(key)).also { sessions[key] = it }
        while (sessions.size > MAX_SESSIONS) {
            sessions.remove(sessions.keys.first())?.close()
        }
    }

    override fun forget(key: Any) {
        diffs.remove(key)
        sessions.remove(key)?.close()
    }

    override fun close() {
        sessions.values.forEach(OrtSession::close)
        sessions.clear()
    }

    private fun open(diff: Diff): OrtSession {
        val parameters = manifest.parameters.associateBy { it.name }
        val weights = mapFloats(File(bundle, WEIGHTS_FILE), FileChannel.MapMode.PRIVATE)
        val tensors = HashMap<String, OnnxTensorLike>()
        try {
            return openSession(File(bundle, MODEL_FILE)) { options ->
                options.setIntraOpNumThreads(threads)
                for (product in diff.products) {
                    val parameter = parameters.getValue(product.name)
                    product.forEach { index, added -> weights.add(parameter.placeOf(index), added) }
                }
                for (tensor in diff.tensors) {
                    val parameter = parameters.getValue(tensor.name)
                    for ((i, index) in tensor.indices.withIndex()) {
                        weights.add(parameter.placeOf(index.toInt()), tensor.values[i])
                    }
                }
                for (parameter in diff.shapes.keys.map(parameters::getValue)) {
                    tensors[parameter.initializer] = tensorOf(parameter.within(weights), parameter.graphShape)
                }
                // Unlike addInitializer, this way checks names and shapes and acts before the optimiser folds a weight.
                if (tensors.isNotEmpty()) options.addExternalInitializers(tensors)
            }
        } finally {
            tensors.values.forEach(OnnxTensorLike::close)
        }
    }
}

private fun FloatBuffer.add(place: Int, value: Float) {
    put(place, get(place) + value)
}
