package edgediff.runtime

import ai.onnxruntime.OrtSession
import java.nio.FloatBuffer

/**
 * An onnxruntime session whose weights are written while it is open, through a second mapping of the file that
 * onnxruntime maps them from.
 *
 * That a run sees what was written is observed, not documented: `proveLive` puts every session to the trial.
 *
 * @property session the stock session; its runs see every [write] that came before them.
 * @property weights the file, as float32s.
 * @property places where the parameters lie in it, by name.
 */
internal class LiveSession(
    val session: OrtSession,
    val weights: FloatBuffer,
    val places: Map<String, Place>,
) : AutoCloseable {
    /** Sets the float32s at [where]; no run may be under way. */
    fun write(where: IntArray, values: FloatArray) {
        for (i in where.indices) weights.put(where[i], values[i])
    }

    override fun close() = session.close()
}
