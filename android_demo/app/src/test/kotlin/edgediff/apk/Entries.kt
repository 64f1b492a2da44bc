package edgediff.apk

import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.ZipEntry

/**
 * A file in a zip.
 *
 * @property offset where its first byte lies in the zip.
 * @property bytes how many it takes there, with its header and the padding before it.
 */
class Entry(val name: String, val stored: Boolean, val offset: Long, val bytes: Long)

private const val END_BYTES = 22
private const val CENTRAL_BYTES = 46
private const val LOCAL_BYTES = 30

/** The files in [zip], which has no comment: Java's own reader does not tell where they lie. */
fun entries(zip: File): List<Entry> = RandomAccessFile(zip, "r").use { file ->
    fun at(offset: Long, length: Int): ByteBuffer {
        val bytes = ByteArray(length)
        file.seek(offset)
        file.readFully(bytes)
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
    }
    val end = at(file.length() - END_BYTES, END_BYTES)
    var place = end.getInt(16).toLong()
    List(end.getShort(10).toInt()) {
        val central = at(place, CENTRAL_BYTES)
        val nameBytes = central.getShort(28).toInt()
        val name = String(at(place + CENTRAL_BYTES, nameBytes).array())
        val start = central.getInt(42).toLong()
        val local = at(start, LOCAL_BYTES)
        place += CENTRAL_BYTES + nameBytes + central.getShort(30) + central.getShort(32)
        val front = LOCAL_BYTES + local.getShort(26) + local.getShort(28)
        Entry(
            name = name,
            stored = central.getShort(10).toInt() == ZipEntry.STORED,
            offset = start + front,
            bytes = front + central.getInt(20).toLong(),
        )
    }
}
