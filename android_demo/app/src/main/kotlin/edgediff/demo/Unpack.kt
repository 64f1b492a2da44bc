package edgediff.demo

import java.io.File
import java.io.IOException
import java.io.InputStream

private const val SPARE_BYTES = 16L shl 20

/**
 * A file that comes with the app.
 *
 * @property path where it belongs, below the folder that all are unpacked to.
 * @property bytes its size.
 */
class Packed(val path: String, val bytes: Long, val open: () -> InputStream)

/**
 * Unpacks [files] to the folder [to], which is there afterwards with all of them, or not at all.
 *
 * @throws NoSpaceProblem they do not fit.
 * @throws IOException they cannot be written.
 */
fun unpack(files: List<Packed>, to: File) {
    val needed = files.sumOf { it.bytes } + SPARE_BYTES
    val part = File(to.path + ".part")
    part.deleteRecursively()
    if (!part.mkdirs()) throw IOException("$part cannot be made")
    try {
        val free = part.usableSpace
        if (free < needed) throw NoSpaceProblem(needed, free)
        for (file in files) {
            val target = File(part, file.path)
            target.parentFile.mkdirs()
            file.open().use { from -> target.outputStream().use(from::copyTo) }
        }
        if (!part.renameTo(to)) throw IOException("$part cannot be renamed to $to")
    } finally {
        part.deleteRecursively()
    }
}
