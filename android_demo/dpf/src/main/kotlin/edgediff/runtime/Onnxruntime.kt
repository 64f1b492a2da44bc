package edgediff.runtime

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import edgediff.BundleError
import edgediff.tokens.Batch
import java.io.File
import java.nio.FloatBuffer
import java.nio.LongBuffer

internal const val TOKEN_LOGITS = "token_logits"
internal const val LOGITS = "logits"

/**
 * Opens a stock session of [model].
 *
 * @throws BundleError onnxruntime cannot, or is not there; the text says why.
 */
internal fun openSession(model: File, configure: (OrtSession.SessionOptions) -> Unit): OrtSession =
    asking("open $model") {
        OrtSession.SessionOptions().use { options ->
            configure(options)
            environment().createSession(model.path, options)
        }
    }

/** A tensor over [values], which must stay reachable as long as it is used; a direct buffer is not copied. */
internal fun tensorOf(values: FloatBuffer, shape: List<Long>): OnnxTensor =
    OnnxTensor.createTensor(environment(), values, shape.toLongArray())

/**
 * The values of [output] for one batch, row after row.
 *
 * @throws BundleError onnxruntime cannot run it.
 */
internal fun OrtSession.logits(output: String, batch: Batch, head: Map<String, OnnxTensor>): FloatArray =
    asking("run the base") {
        val shape = longArrayOf(batch.rows.toLong(), batch.tokens.toLong())
        val tokens = batch.inputs.mapValues { (_, values) ->
            OnnxTensor.createTensor(environment(), LongBuffer.wrap(values), shape)
        }
        try {
            run(tokens + head, setOf(output)).use { result ->
                val found = (result.get(0) as OnnxTensor).floatBuffer
                FloatArray(found.remaining()).also(found::get)
            }
        } finally {
            tokens.values.forEach(OnnxTensor::close)
        }
    }

/** Lets nothing of onnxruntime's out but one sentence. */
internal fun <T> asking(what: String, ask: () -> T): T = try {
    ask()
} catch (error: OrtException) {
    throw BundleError("onnxruntime cannot $what: ${firstLine(error)}", error)
} catch (error: LinkageError) { // its native library is not in the app, or not for this processor
    throw BundleError("onnxruntime cannot $what: its library is not there (${firstLine(error)})", error)
}

private fun environment(): OrtEnvironment = OrtEnvironment.getEnvironment()

private fun firstLine(error: Throwable): String = error.message?.lineSequence()?.first() ?: error.javaClass.simpleName
