package edgediff.runtime

import edgediff.BundleError
import java.io.File

// Wire types and field numbers: https://protobuf.dev/programming-guides/encoding and onnx/onnx.proto.
private const val VARINT = 0
private const val FIXED64 = 1
private const val BYTES = 2
private const val FIXED32 = 5
private const val MODEL_GRAPH = 7
private const val GRAPH_INITIALIZER = 5
private const val TENSOR_DATA_TYPE = 2
private const val TENSOR_NAME = 8
private const val TENSOR_EXTERNAL_DATA = 13
private const val ENTRY_KEY = 1
private const val ENTRY_VALUE = 2
private const val LONGEST_VARINT = 10

/** `TensorProto.DataType.FLOAT`. */
internal const val FLOAT_TYPE = 1L

/** Bytes in external data. */
internal data class Stretch(val offset: Long, val length: Long)

/**
 * An initializer whose bytes are in the external data.
 *
 * @property dataType as `TensorProto.DataType` numbers it.
 * @property own its bytes.
 * @property packed each copy that a kernel keeps in its own order.
 */
internal data class Initializer(val name: String, val dataType: Long, val own: Stretch, val packed: List<Stretch>)

/**
 * The initializers of the ONNX file [model] that lie in external data, by name.
 *
 * @throws BundleError the file is no model that can be read.
 */
internal fun readInitializers(model: File): Map<String, Initializer> = try {
    Message(model.readBytes()).fields()
        .filter { it.number == MODEL_GRAPH }.flatMap { it.message().fields() }
        .filter { it.number == GRAPH_INITIALIZER }.mapNotNull { initializer(it.message()) }
        .associateBy { it.name }
} catch (error: IllegalArgumentException) { // NumberFormatException is one too
    throw BundleError("the optimised model $model cannot be read: ${error.message}", error)
}

private fun initializer(tensor: Message): Initializer? {
    var name = ""
    var dataType = 0L
    val external = HashMap<String, String>()
    for (field in tensor.fields()) {
        when (field.number) {
            TENSOR_NAME -> name = field.text()
            TENSOR_DATA_TYPE -> dataType = field.varint()
            TENSOR_EXTERNAL_DATA -> {
                val entry = field.message().fields().associate { it.number to it.text() }
                external[entry[ENTRY_KEY].orEmpty()] = entry[ENTRY_VALUE].orEmpty()
            }
        }
    }
    if (external.isEmpty()) return null
    val own = Stretch(external["offset"].orEmpty().toLong(), external["length"].orEmpty().toLong())
    val packed = external.filterKeys { it.startsWith("prepacked_") }.values.flatMap(::packed)
    return Initializer(name, dataType, own, packed)
}

/** The blobs in onnxruntime's `key|offset;length;flag[|offset;length;flag ...]`. */
private fun packed(value: String): List<Stretch> = value.split("|").drop(1).map { blob ->
    val (offset, length) = blob.split(";").also { require(it.size == 3) { "packed bytes at $blob" } }
    Stretch(offset.toLong(), length.toLong())
}

/** A protocol buffer, from [start] to before [end] of [bytes]. */
private class Message(private val bytes: ByteArray, private val start: Int = 0, private val end: Int = bytes.size) {
    inner class Field(val number: Int, private val from: Int, private val to: Int) {
        fun message() = Message(bytes, from, to)
        fun text() = String(bytes, from, to - from, Charsets.UTF_8)
        fun varint() = Message(bytes, from, to).varint(from).first
    }

    /** Each field; of a varint the bytes are its own, of a length-delimited field its content. */
    fun fields(): List<Field> {
        val found = ArrayList<Field>()
        var at = start
        while (at < end) {
            val (tag, content) = varint(at)
            at = content
            val stop = when (val type = (tag and 7).toInt()) {
                VARINT -> varint(at).second.toLong()
                BYTES -> varint(at).let { (length, from) -> from.also { at = from } + length }
                FIXED64 -> at + 8L
                FIXED32 -> at + 4L
                else -> throw IllegalArgumentException("wire type $type at $at")
            }
            require(stop in at..end) { "a field at $at ends at $stop, the message at $end" }
            found += Field((tag shr 3).toInt(), at, stop.toInt())
            at = stop.toInt()
        }
        return found
    }

    /** The number at [at], and where it ends. */
    fun varint(at: Int): Pair<Long, Int> {
        var value = 0L
        for (count in 0 until LONGEST_VARINT) {
            require(at + count < end) { "a number at $at does not end" }
            val byte = bytes[at + count].toLong()
            value = value or (byte and 0x7F shl 7 * count)
            if (byte >= 0) return value to at + count + 1
        }
        throw IllegalArgumentException("a number at $at does not end")
    }
}
