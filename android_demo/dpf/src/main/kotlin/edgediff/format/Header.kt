package edgediff.format

import edgediff.FormatError
import edgediff.diff.Base
import edgediff.diff.Task
import java.io.File
import java.io.RandomAccessFile

/**
 * What the front of a `.dpf` file tells, enough for a catalogue of tasks.
 *
 * @property shapes of every parameter that changes, by name.
 * @property nnz how many encoder parameters are changed one by one.
 * @property tensors how many of the encoder's tensors have such an entry.
 * @property products how many of them change as a whole.
 * @property provenance how the diff came about, keys and values for people.
 * @property fileBytes the size of the whole file.
 */
class Header(
    val base: Base,
    val task: Task,
    val shapes: Map<String, List<Long>>,
    val nnz: Int,
    val tensors: Int,
    val products: Int,
    val provenance: Map<String, String>,
    val fileBytes: Long,
)

/**
 * The header of [file], from its first bytes to the end of META, whose checksum alone is checked.
 *
 * @throws FormatError the file is missing, or what is read of it breaks a rule of the format; the text names the file.
 */
fun readHeader(file: File): Header = reading(file) { opened ->
    val size = opened.length()
    checkSize(size)
    val front = opened.front(minOf(size, (HEADER_BYTES + SECTION_HEADER_BYTES).toLong()).toInt())
    val version = versionOf(front, size)
    val section = sectionAt(front, HEADER_BYTES, "META", version, size)
    val meta = decodeMetadata(section.content(opened.front(section.end)), version >= WITH_PRODUCTS)
    val shapes = meta.tensors.associate { it.name to it.shape } + meta.products.associate { it.name to it.shape }
    Header(meta.base, meta.task, shapes, meta.nnz, meta.tensors.size, meta.products.size, meta.provenance, size)
}

private fun RandomAccessFile.front(length: Int): ByteArray {
    seek(0)
    return ByteArray(length).also(::readFully)
}
