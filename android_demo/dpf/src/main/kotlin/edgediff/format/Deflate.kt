package edgediff.format

import edgediff.FormatError
import java.util.zip.DataFormatException
import java.util.zip.Inflater

/** A deflate stream makes at most this many bytes of each of its own (zlib's technical notes). */
internal const val MAX_DEFLATE_RATIO = 1032

private const val FIRST_BUFFER = 512

/**
 * The content of one raw deflate stream (RFC 1951) that fills [data] from [start] to before [end].
 *
 * @throws FormatError not such a stream, one that ends early or late, or whose content has more than [limit] bytes.
 */
internal fun inflate(data: ByteArray, start: Int, end: Int, limit: Int, section: String): ByteArray {
    val inflater = Inflater(true)
    try {
        inflater.setInput(data, start, end - start)
        var content = ByteArray(minOf(limit + 1, maxOf(FIRST_BUFFER, 4 * (end - start))))
        var size = 0
        while (!inflater.finished()) {
            if (size == content.size) content = content.copyOf(minOf(limit + 1, 2 * size))
            val more = inflater.inflate(content, size, content.size - size)
            size += more
            if (size > limit) throw FormatError("section $section inflates to more than the $limit bytes it may hold")
            if (more == 0 && !inflater.finished()) break
        }
        if (!inflater.finished() || inflater.remaining > 0) {
            throw FormatError("section $section is not exactly one whole deflate stream")
        }
        return content.copyOf(size)
    } catch (error: DataFormatException) {
        throw FormatError("section $section is not a deflate stream: ${error.message}", error)
    } finally {
        inflater.end()
    }
}
