package edgediff.runtime

import edgediff.BundleError
import edgediff.format.Manifest
import edgediff.format.Parameter
import edgediff.format.WEIGHTS_FILE
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.ByteOrder
import java.nio.FloatBuffer
import java.nio.MappedByteBuffer
import java.nio.channels.FileChannel

/** The bytes of one float32. */
internal const val FLOAT_BYTES = 4

/**
 * A file as float32s, mapped: none of it is on the heap, and only what is looked at is in memory.
 *
 * With [FileChannel.MapMode.PRIVATE] what is written stays in this process; Java asks for a writable file all the same.
 *
 * @throws BundleError it cannot be mapped, or is larger than a mapping can be (2 GiB).
 */
internal fun mapFloats(file: File, mode: FileChannel.MapMode): FloatBuffer {
    val access = if (mode == FileChannel.MapMode.READ_ONLY) "r" else "rw"
    return try {
        RandomAccessFile(file, access).use { map(it.channel, file, mode) }.asFloatBuffer()
    } catch (error: IOException) {
        throw BundleError("$file cannot be mapped: ${error.message}", error)
    }
}

private fun map(channel: FileChannel, file: File, mode: FileChannel.MapMode): MappedByteBuffer {
    val size = channel.size()
    if (size > Int.MAX_VALUE) throw BundleError("$file has $size bytes, at most ${Int.MAX_VALUE} can be mapped")
    val mapped = channel.map(mode, 0, size)
    mapped.order(ByteOrder.LITTLE_ENDIAN)
    return mapped
}

/** How many entries the parameter has. */
internal val Parameter.numel: Int get() = (length / FLOAT_BYTES).toInt()

/** The float32 of `weights.bin` that holds the entry at flat [index], row-major in PyTorch's orientation. */
internal fun Parameter.placeOf(index: Int): Int {
    val first = (offset / FLOAT_BYTES).toInt()
    if (!transposed) return first + index
    val rows = shape[0].toInt()
    val columns = shape[1].toInt()
    return first + index % columns * rows + index / columns
}

/** The shape that the graph gives it. */
internal val Parameter.graphShape: List<Long> get() = if (transposed) shape.reversed() else shape

/** The parameter's part of [weights], in the graph's orientation. */
internal fun Parameter.within(weights: FloatBuffer): FloatBuffer {
    val part = weights.duplicate()
    val first = (offset / FLOAT_BYTES).toInt()
    part.position(first).limit(first + numel)
    return part.slice()
}

/** The weights of [bundle] as its file has them, mapped: none of them is on the heap. */
internal class BaseWeights(bundle: File, manifest: Manifest) {
    private val floats = mapFloats(File(bundle, WEIGHTS_FILE), FileChannel.MapMode.READ_ONLY)
    private val parameters = manifest.parameters.associateBy { it.name }

    /** The values of the parameter [name], by flat index, row-major in PyTorch's orientation. */
    fun of(name: String) = Values(floats, parameters.getValue(name))

    internal class Values(private val floats: FloatBuffer, private val parameter: Parameter) {
        val size: Int get() = parameter.numel

        operator fun get(index: Int): Float = floats.get(parameter.placeOf(index))
    }
}
