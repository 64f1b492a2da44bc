package edgediff.format

import edgediff.ChecksumError
import edgediff.FormatError
import edgediff.LimitError
import edgediff.TruncatedError
import edgediff.VersionError
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import java.util.zip.CRC32

internal const val MAX_FILE_BYTES = 1 shl 26

/** The bytes of magic, version and flags. */
internal const val HEADER_BYTES = 12

/** The bytes of a section's identifier, length and CRC-32. */
internal const val SECTION_HEADER_BYTES = 12

private const val DIGEST_BYTES = 32
private val MAGIC = byteArrayOf(0x89.toByte(), 0x44, 0x50, 0x46, 0x0D, 0x0A, 0x1A, 0x0A)

/** The sections of each version, in their order. */
private val VERSIONS = mapOf(
    1 to listOf("META", "INDX", "VALS", "HEAD"),
    2 to listOf("META", "INDX", "VALS", "PROD", "HEAD"),
)

/** The first version that has products. */
internal const val WITH_PRODUCTS = 2

/**
 * Where a section's content lies in the file.
 *
 * @property start the position of its first byte.
 * @property end the position behind its last.
 * @property checksum the CRC-32 that its header states.
 */
internal class Section(val name: String, val start: Int, val end: Int, val checksum: Int) {
    /**
     * The content.
     *
     * @throws ChecksumError it does not have the CRC-32 that its header states.
     */
    fun content(file: ByteArray): ByteArray {
        val crc = CRC32().apply { update(file, start, end - start) }
        if (crc.value.toInt() != checksum) {
            throw ChecksumError("section $name does not have the CRC-32 that its header states")
        }
        return file.copyOfRange(start, end)
    }
}

/**
 * The content of each section of the file's version by its name, every checksum checked.
 *
 * @throws FormatError of the kind that says what is wrong.
 */
internal fun splitSections(file: ByteArray): Map<String, ByteArray> {
    checkSize(file.size.toLong())
    val version = versionOf(file, file.size.toLong())
    val end = file.size - DIGEST_BYTES
    val sections = ArrayList<Section>()
    var position = HEADER_BYTES
    for (name in VERSIONS.getValue(version)) {
        val section = sectionAt(file, position, name, version, file.size.toLong())
        position = section.end
        sections.add(section)
    }
    if (position != end) {
        throw TruncatedError("${end - position} bytes stand between the last section and the checksum")
    }
    val contents = sections.associate { it.name to it.content(file) }
    val digest = MessageDigest.getInstance("SHA-256").apply { update(file, 0, end) }.digest()
    if (!digest.contentEquals(file.copyOfRange(end, file.size))) {
        throw ChecksumError("the SHA-256 at the end of the file is not that of its bytes")
    }
    return contents
}

/** @throws LimitError a file of [size] bytes is too large. */
internal fun checkSize(size: Long) {
    if (size > MAX_FILE_BYTES) throw LimitError("the file has $size bytes, the format allows $MAX_FILE_BYTES")
}

/**
 * The version, magic and flags being right.
 *
 * @param front the first bytes of the file, 12 at least if it has as many.
 * @param size how many bytes the file has.
 * @throws FormatError of the kind that says what is wrong.
 */
internal fun versionOf(front: ByteArray, size: Long): Int {
    val common = minOf(MAGIC.size, front.size)
    if (!front.copyOf(common).contentEquals(MAGIC.copyOf(common))) {
        val found = front.take(common).joinToString(" ") { "%02x".format(it) }
        throw FormatError("not a .dpf file: it begins with $found")
    }
    if (front.size < HEADER_BYTES) throw TruncatedError("the file has $size bytes, a header alone has $HEADER_BYTES")
    val fields = littleEndian(front)
    val version = fields.getShort(8).toInt() and 0xFFFF
    val flags = fields.getShort(10).toInt() and 0xFFFF
    if (version !in VERSIONS) {
        val known = VERSIONS.keys.joinToString(" and ")
        throw VersionError("the file is of version $version, this reader knows versions $known")
    }
    if (flags != 0) throw VersionError("flags is 0x%04x; version $version knows no flag".format(flags))
    return version
}

/**
 * The section [name], whose header stands at [position].
 *
 * @param front the first bytes of the file, to the end of that header at least if it has as many.
 * @param size how many bytes the file has.
 * @throws FormatError of the kind that says what is wrong.
 */
internal fun sectionAt(front: ByteArray, position: Int, name: String, version: Int, size: Long): Section {
    val start = position + SECTION_HEADER_BYTES
    val end = size - DIGEST_BYTES
    if (start > minOf(end, front.size.toLong())) {
        throw TruncatedError("the file has $size bytes, it ends before section $name")
    }
    val found = String(front, position, name.length, Charsets.ISO_8859_1)
    if (found != name) throw VersionError("section ${shown(found)} stands where version $version has $name")
    val fields = littleEndian(front)
    val length = fields.getInt(position + 4).toLong() and 0xFFFFFFFFL
    if (start + length > end) throw TruncatedError("section $name claims $length bytes, ${end - start} are left")
    return Section(name, start, start + length.toInt(), fields.getInt(position + 8))
}

/** [bytes] as integers and floats, read as the format writes them. */
internal fun littleEndian(bytes: ByteArray): ByteBuffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
