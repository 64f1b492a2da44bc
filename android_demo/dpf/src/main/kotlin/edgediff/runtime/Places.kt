package edgediff.runtime

import edgediff.format.Manifest
import edgediff.format.Parameter
import edgediff.format.WEIGHTS_FILE
import java.io.File
import java.io.RandomAccessFile
import java.nio.FloatBuffer
import java.nio.channels.FileChannel

/** The bits of 1.0: markers are floats from here up, all of them normal and different. */
private const val FIRST_MARKER = 0x3F800000
private const val LAST_MARKER = 0x7F000000
private const val MARKERS_FILE = "markers.bin"
private const val MARKED_FOLDER = "marked"

/**
 * Where one parameter lies in an image.
 *
 * @property start the float32 of the image that its region begins with.
 * @property order where in the region each entry lies, entries row-major in PyTorch's orientation; null is their own
 *   order. Parameters of one shape that are packed alike share theirs.
 */
internal class Place(val start: Int, val order: IntArray?) {
    /** The float32 of the image that holds the entry at flat [index]. */
    fun find(index: Int): Int = start + (order?.get(index) ?: index)
}

/**
 * Finds every entry of every parameter in [image], and checks each by value.
 *
 * The image is built once more, in a folder of its own that is removed, from weights that hold their own number as the
 * bits of a float. Whatever onnxruntime did to them, renaming, transposing, fusing, packing, the numbers tell what lies
 * where: nothing is known or assumed about any kernel's layout.
 *
 * @throws edgediff.BundleError onnxruntime cannot build it.
 * @throws UnsureError an entry lies nowhere or twice, initializers share bytes, or a value differs: such a base cannot be
 *   patched in place.
 */
internal fun findPlaces(bundle: File, manifest: Manifest, image: Image): Map<String, Place> {
    checkApart(image)
    val finders = manifest.parameters.map(::Finder)
    val marked = File(image.folder, MARKED_FOLDER)
    val markers = File(image.folder, MARKERS_FILE)
    try {
        marked.mkdir()
        writeMarkers(markers, manifest)
        val weights = mapFloats(markers, FileChannel.MapMode.READ_ONLY)
        readMarkers(image, buildImage(bundle, manifest, marked, weights), finders)
    } finally {
        marked.deleteRecursively()
        markers.delete()
    }
    val floats = image.floats()
    val weights = mapFloats(File(bundle, WEIGHTS_FILE), FileChannel.MapMode.READ_ONLY)
    val orders = HashMap<List<Int>, IntArray>()
    return finders.associate { finder ->
        val place = finder.place { order -> orders.getOrPut(order.asList()) { order } }
        checkValues(finder.parameter, place, floats, weights)
        finder.parameter.name to place
    }
}

/** Writes weights that hold, in PyTorch's order, the numbers of their entries over all parameters. */
private fun writeMarkers(file: File, manifest: Manifest) {
    val numbers = manifest.base.parameters
    if (numbers > LAST_MARKER - FIRST_MARKER) throw UnsureError("the base has $numbers numbers, too many for markers")
    val end = manifest.parameters.maxOf { it.offset + it.length }
    RandomAccessFile(file, "rw").use { it.setLength(end) }
    val weights = mapFloats(file, FileChannel.MapMode.READ_WRITE)
    var marker = FIRST_MARKER
    for (parameter in manifest.parameters) {
        for (index in 0 until parameter.numel) {
            weights.put(parameter.placeOf(index), Float.fromBits(marker++))
        }
    }
}

private fun readMarkers(image: Image, marked: Image, finders: List<Finder>) {
    if (image.initializers.keys != marked.initializers.keys) {
        throw UnsureError("onnxruntime optimises the base otherwise with other values")
    }
    val firsts = finders.runningFold(FIRST_MARKER) { first, finder -> first + finder.parameter.numel }.toIntArray()
    val plain = image.floats()
    val numbers = marked.floats()
    for ((name, initializer) in image.initializers) {
        if (initializer.dataType != FLOAT_TYPE) continue
        val region = region(initializer)
        val markedRegion = region(marked.initializers.getValue(name))
        if (region.last - region.first != markedRegion.last - markedRegion.first) {
            throw UnsureError("initializer \"$name\" is packed otherwise with other values")
        }
        if (equal(plain, region, numbers, markedRegion)) continue // a constant of the graph, whatever the weights are
        for (offset in 0..region.last - region.first) {
            val bits = numbers.get(markedRegion.first + offset).toRawBits()
            if (bits == 0) continue // padding
            if (bits !in FIRST_MARKER until firsts.last()) {
                throw UnsureError("initializer \"$name\" does not hold parameters as they are")
            }
            val owner = firsts.binarySearch(bits).let { if (it >= 0) it else -it - 2 }
            finders[owner].add(bits - firsts[owner], region.first + offset)
        }
    }
}

/** The float32s that an open session reads: those of the packed copy if there is one. */
private fun region(initializer: Initializer): IntRange {
    if (initializer.packed.size > 1) {
        throw UnsureError("initializer \"${initializer.name}\" is packed ${initializer.packed.size} times")
    }
    val (offset, length) = initializer.packed.singleOrNull() ?: initializer.own
    val first = (offset / FLOAT_BYTES).toInt()
    return first until first + (length / FLOAT_BYTES).toInt()
}

private fun equal(one: FloatBuffer, oneRegion: IntRange, other: FloatBuffer, otherRegion: IntRange): Boolean =
    (0..oneRegion.last - oneRegion.first).all { offset ->
        one.get(oneRegion.first + offset).toRawBits() == other.get(otherRegion.first + offset).toRawBits()
    }

private fun checkApart(image: Image) {
    val stretches = image.initializers.values.flatMap { it.packed + it.own }.sortedBy { it.offset }
    for ((before, after) in stretches.zipWithNext()) {
        if (before.offset + before.length > after.offset) throw UnsureError("two initializers of the image share their bytes")
    }
}

private fun checkValues(parameter: Parameter, place: Place, floats: FloatBuffer, weights: FloatBuffer) {
    for (index in 0 until parameter.numel) {
        val found = floats.get(place.find(index)).toRawBits()
        if (found != weights.get(parameter.placeOf(index)).toRawBits()) {
            throw UnsureError("parameter \"${parameter.name}\" has other values in the image than in the base")
        }
    }
}

/** Gathers where the entries of [parameter] lie; as long as they come in their own order, without an array. */
private class Finder(val parameter: Parameter) {
    private var start = 0
    private var count = 0
    private var places: IntArray? = null

    fun add(index: Int, place: Int) {
        if (places == null && count == 0) start = place - index
        if (places == null && !(index == count && place == start + count)) {
            places = IntArray(parameter.numel) { if (it < count) start + it else -1 }
        }
        places?.let {
            if (it[index] >= 0) throw UnsureError("an entry of parameter \"${parameter.name}\" lies in two places")
            it[index] = place
        }
        count++
    }

    /** The place, by way of [shared], which gives one array for equal ones. */
    fun place(shared: (IntArray) -> IntArray): Place {
        if (count != parameter.numel) throw UnsureError("parameter \"${parameter.name}\" is not whole in the image")
        val found = places ?: return Place(start, null)
        val first = found.minOrNull() ?: 0
        return Place(first, shared(IntArray(found.size) { found[it] - first }))
    }
}
