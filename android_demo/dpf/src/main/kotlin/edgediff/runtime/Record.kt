package edgediff.runtime

import java.io.ByteArrayInputStream
import java.io.DataInputStream
import java.io.DataOutputStream
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.util.zip.CRC32
import java.util.zip.CheckedOutputStream

private const val RECORD_FILE = "record.bin"
private const val NO_ORDER = -1

/** The version of what is kept; another one is built anew. */
private const val LAYOUT = 1

/** Size and CRC-32 of a file. */
internal data class Checked(val bytes: Long, val crc32: Long)

/**
 * What is kept beside an image, in a file of its own that ends with its CRC-32.
 *
 * @property model the image's `model.onnx`.
 * @property weights its `image.bin`.
 * @property places where the parameters lie.
 * @property proof what ordinary sessions said in the trial.
 */
internal class Record(
    val model: Checked,
    val weights: Checked,
    val places: Map<String, Place>,
    val proof: List<FloatArray>,
) {
    /** @throws IOException it cannot be written. */
    fun write(folder: File) = writing(folder) { out ->
        out.writeUTF("")
        for (file in listOf(model, weights)) {
            out.writeLong(file.bytes)
            out.writeLong(file.crc32)
        }
        val orders = places.values.mapNotNull { it.order }.distinctBy(System::identityHashCode)
        out.writeInt(orders.size)
        for (order in orders) {
            out.writeInt(order.size)
            order.forEach(out::writeInt)
        }
        out.writeInt(places.size)
        for ((name, place) in places) {
            out.writeUTF(name)
            out.writeInt(place.start)
            out.writeInt(orders.indexOfFirst { it === place.order })
        }
        out.writeInt(proof.size)
        for (logits in proof) {
            out.writeInt(logits.size)
            logits.forEach(out::writeFloat)
        }
    }

    companion object {
        /** Keeps, in place of an image, why there cannot be one. */
        fun writeRefusal(folder: File, reason: String) = writing(folder) { it.writeUTF(reason) }

        /**
         * What is kept in [folder]; null if there is nothing, or it is damaged.
         *
         * @throws UnsureError there cannot be an image of that base here, as was found when it was tried.
         */
        fun read(folder: File): Record? {
            val bytes = try {
                File(folder, RECORD_FILE).readBytes()
            } catch (_: IOException) {
                return null
            }
            val end = bytes.size - Long.SIZE_BYTES
            if (end < 0) return null
            val crc32 = CRC32().apply { update(bytes, 0, end) }.value
            if (ByteBuffer.wrap(bytes).getLong(end) != crc32) return null // before anything in it is believed
            val input = DataInputStream(ByteArrayInputStream(bytes, 0, end))
            if (input.readInt() != LAYOUT) return null
            val refused = input.readUTF()
            if (refused.isNotEmpty()) throw UnsureError("$refused (as $folder says)")
            return content(input)
        }

        private fun content(input: DataInputStream): Record {
            val (model, weights) = List(2) { Checked(input.readLong(), input.readLong()) }
            val orders = List(input.readInt()) { IntArray(input.readInt()) { input.readInt() } }
            val places = LinkedHashMap<String, Place>()
            repeat(input.readInt()) {
                val name = input.readUTF()
                val start = input.readInt()
                val order = input.readInt()
                places[name] = Place(start, if (order == NO_ORDER) null else orders[order])
            }
            val proof = List(input.readInt()) { FloatArray(input.readInt()) { input.readFloat() } }
            return Record(model, weights, places, proof)
        }

        private inline fun writing(folder: File, write: (DataOutputStream) -> Unit) {
            File(folder, RECORD_FILE).outputStream().use { file ->
                val checked = CheckedOutputStream(file.buffered(), CRC32())
                val out = DataOutputStream(checked)
                out.writeInt(LAYOUT)
                write(out)
                out.writeLong(checked.checksum.value)
                out.flush()
                file.fd.sync()
            }
        }
    }
}
