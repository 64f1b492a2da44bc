package edgediff.format

import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import java.util.zip.CRC32
import java.util.zip.Deflater

/**
 * What a file's sections hold, inflated: meta, numbers, quotients, remainders, levels, codes, head; and, if it has
 * products, steps and factors.
 */
typealias Parts = Map<String, ByteArray>

private const val LIMIT = 1 shl 20

/** @throws Exception of any kind: the file has no such parts. */
fun takeApart(file: ByteArray): Parts {
    val sections = splitSections(file)
    val meta = inflate(sections.getValue("META"), "META")
    val indx = sections.getValue("INDX")
    val vals = sections.getValue("VALS")
    val quotientsAt = 8 + littleEndian(indx).getInt(0)
    val remaindersAt = quotientsAt + littleEndian(indx).getInt(4)
    val codesAt = 3 + 2 * vals[0]
    val parts = mapOf(
        "meta" to meta,
        "numbers" to inflate(indx, 8, quotientsAt, LIMIT, "INDX"),
        "quotients" to indx.copyOfRange(quotientsAt, remaindersAt),
        "remainders" to indx.copyOfRange(remaindersAt, indx.size),
        "levels" to vals.copyOf(codesAt),
        "codes" to inflate(vals, codesAt, vals.size, LIMIT, "VALS"),
        "head" to sections.getValue("HEAD"),
    )
    val prod = sections["PROD"] ?: return parts
    val codesOfFactors = 4 * decodeMetadata(sections.getValue("META"), withProducts = true).products.sumOf { it.rank }
    val factors = inflate(prod, codesOfFactors, prod.size, LIMIT, "PROD")
    return parts + mapOf("steps" to prod.copyOf(codesOfFactors), "factors" to factors)
}

private fun inflate(section: ByteArray, name: String) = inflate(section, 0, section.size, LIMIT, name)

/** The file of [parts], whatever they hold, with lengths and checksums that are right. */
fun putTogether(parts: Parts): ByteArray {
    val numbers = deflate(parts.getValue("numbers"))
    val quotients = parts.getValue("quotients")
    val sections = listOfNotNull(
        "META" to deflate(parts.getValue("meta")),
        "INDX" to bytes32(numbers.size, quotients.size) + numbers + quotients + parts.getValue("remainders"),
        "VALS" to parts.getValue("levels") + deflate(parts.getValue("codes")),
        parts["steps"]?.let { "PROD" to it + deflate(parts.getValue("factors")) },
        "HEAD" to parts.getValue("head"),
    )
    val like = if ("steps" in parts) "prod-one" else "valid-by-hand"
    val file = ByteArrayOutputStream()
    file.write(Vector.named(like).data, 0, HEADER_BYTES)
    for ((name, content) in sections) {
        file.write(name.toByteArray() + bytes32(content.size, 0) + content)
    }
    return repair(file.toByteArray() + ByteArray(32))
}

/** The same bytes with every checksum right that can be found. */
fun repair(file: ByteArray): ByteArray {
    val body = file.copyOf(maxOf(0, file.size - 32))
    val fields = ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN)
    var at = HEADER_BYTES.toLong()
    while (at + SECTION_HEADER_BYTES <= body.size) {
        val start = at.toInt() + SECTION_HEADER_BYTES
        val end = start + (fields.getInt(start - 8).toLong() and 0xFFFFFFFF)
        val crc = CRC32().apply { update(body, start, minOf(end, body.size.toLong()).toInt() - start) }
        fields.putInt(start - 4, crc.value.toInt())
        at = end
    }
    return body + MessageDigest.getInstance("SHA-256").digest(body)
}

fun deflate(data: ByteArray): ByteArray {
    val deflater = Deflater(1, true)
    deflater.setInput(data)
    deflater.finish()
    val stream = ByteArrayOutputStream()
    val buffer = ByteArray(4096)
    while (!deflater.finished()) stream.write(buffer, 0, deflater.deflate(buffer))
    deflater.end()
    return stream.toByteArray()
}

fun encodeNumbers(numbers: List<Long>): ByteArray {
    val bytes = ByteArrayOutputStream()
    for (number in numbers) {
        var left = number
        while (left > 127) {
            bytes.write((left and 127 or 128).toInt())
            left = left shr 7
        }
        bytes.write(left.toInt())
    }
    return bytes.toByteArray()
}

private fun bytes32(vararg numbers: Int): ByteArray =
    ByteBuffer.allocate(4 * numbers.size).order(ByteOrder.LITTLE_ENDIAN).apply { numbers.forEach(::putInt) }.array()
