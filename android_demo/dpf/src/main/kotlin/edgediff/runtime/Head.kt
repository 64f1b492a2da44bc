package edgediff.runtime

import ai.onnxruntime.OnnxTensor
import edgediff.diff.Diff
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer

/**
 * The four head inputs of the graph: the task's head, and zero rows for the one it does not use.
 *
 * @property output the graph's output that carries the task's logits.
 */
internal class HeadFeeds(diff: Diff) : AutoCloseable {
    val output: String = if (diff.task.perToken) TOKEN_LOGITS else LOGITS

    /** By the names of the inputs. */
    val tensors: Map<String, OnnxTensor>

    private val buffers = listOf(direct(diff.head.weight), direct(diff.head.bias)) // tensors do not hold them

    init {
        val (used, unused) = listOf("head", "token_head").let { if (diff.task.perToken) it.reversed() else it }
        val (rows, width) = listOf(diff.task.outputs.toLong(), diff.base.width.toLong())
        tensors = asking("take a head") {
            mapOf(
                "$used.weight" to tensorOf(buffers[0], listOf(rows, width)),
                "$used.bias" to tensorOf(buffers[1], listOf(rows)),
                "$unused.weight" to tensorOf(direct(FloatArray(0)), listOf(0, width)),
                "$unused.bias" to tensorOf(direct(FloatArray(0)), listOf(0)),
            )
        }
    }

    override fun close() = tensors.values.forEach(OnnxTensor::close)
}

private fun direct(values: FloatArray): FloatBuffer =
    ByteBuffer.allocateDirect(4 * values.size).order(ByteOrder.nativeOrder()).asFloatBuffer()
        .apply { put(values).rewind() }
