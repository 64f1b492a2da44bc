package edgediff.format

import edgediff.FormatError
import edgediff.LimitError
import edgediff.diff.Base
import edgediff.diff.Task

private const val MAX_METADATA_BYTES = 1 shl 20
private const val MAX_NUMEL = 1L shl 40
private const val MAX_NNZ = 1 shl 26
private const val MAX_TENSORS = 4096
private const val MAX_RANK = 256L
private const val MAX_FACTORS = 1L shl 26
private const val MAX_DIMENSIONS = 8
private const val MAX_NAME_CHARACTERS = 512
private const val MAX_WIDTH = 1L shl 20
private const val MAX_HEAD_VALUES = 1L shl 24
private const val MAX_PROVENANCE_KEYS = 64
private const val MAX_PROVENANCE_KEY = 64
private const val MAX_PROVENANCE_VALUE = 1024

private val FIELDS = arrayOf("base", "head", "provenance", "task", "tensors")

/** One row of the table of tensors: a tensor's name, shape and count of changed entries. */
internal class TensorEntry(val name: String, val shape: List<Long>, val nnz: Int)

/** One row of the table of products: the parameter's name and shape, and how many terms are added up. */
internal class ProductEntry(val name: String, val shape: List<Long>, val rank: Int) {
    /** Of the parameter as a matrix: a vector is one row, further axes belong to the columns. */
    val rows: Long get() = if (shape.size == 1) 1 else shape[0]
    val columns: Long get() = numel(shape) / rows

    /** How many numbers the two factors have. */
    val size: Long get() = rank * (rows + columns)
}

/** The content of META; a file without products is of version 1. */
internal class Metadata(
    val base: Base,
    val task: Task,
    val provenance: Map<String, String>,
    val tensors: List<TensorEntry>,
    val products: List<ProductEntry>,
) {
    /** How many entries change. */
    val nnz: Int get() = tensors.sumOf { it.nnz }
}

/**
 * Section META, every field checked; of a file that has products, or none.
 *
 * @throws FormatError of the kind that says what is wrong.
 */
internal fun decodeMetadata(data: ByteArray, withProducts: Boolean): Metadata {
    val text = inflate(data, 0, data.size, MAX_METADATA_BYTES, "META")
    val plain = try {
        parseJson(text)
    } catch (error: JsonError) {
        throw FormatError("section META is not JSON that the format allows: ${error.message}", error)
    }
    try {
        val fields = Fields.of(plain, "section META")
        fields.expectExactly(*(if (withProducts) FIELDS + "products" else FIELDS))
        val task = taskOf(fields.fields("task"))
        val base = baseOf(fields.fields("base"))
        checkHeadRows(fields.integer("head"), task, base)
        val tensors = tensorsOf(fields.array("tensors"))
        val products = if (withProducts) productsOf(fields.array("products"), tensors) else emptyList()
        return Metadata(base, task, provenanceOf(fields.fields("provenance")), tensors, products)
    } catch (error: JsonError) {
        throw FormatError(error.message.orEmpty(), error)
    }
}

/** A JSON object that names a base. */
internal fun baseOf(fields: Fields): Base {
    fields.expectExactly("name", "fingerprint", "parameters", "width")
    return Base(
        name = fields.text("name"),
        fingerprint = fields.digest("fingerprint"),
        parameters = fields.integer("parameters", 1..MAX_NUMEL),
        width = fields.integer("width", 1..MAX_WIDTH).toInt(),
    )
}

private fun checkHeadRows(rows: Long, task: Task, base: Base) {
    if (rows != task.outputs.toLong() || rows * base.width > MAX_HEAD_VALUES) {
        throw FormatError(
            "section META: the head has $rows rows, the task needs ${task.outputs}," +
                " the width ${base.width} allows ${MAX_HEAD_VALUES / base.width}",
        )
    }
}

private fun provenanceOf(fields: Fields): Map<String, String> {
    if (fields.names.size > MAX_PROVENANCE_KEYS) {
        throw LimitError("${fields.where}: ${fields.names.size} keys, at most $MAX_PROVENANCE_KEYS")
    }
    return fields.names.associateWith { key ->
        val value = fields.text(key)
        if (characters(key) > MAX_PROVENANCE_KEY || characters(value) > MAX_PROVENANCE_VALUE) {
            throw LimitError(
                "${fields.where}: ${shown(key)} has ${characters(key)} and ${characters(value)} characters," +
                    " at most $MAX_PROVENANCE_KEY and $MAX_PROVENANCE_VALUE",
            )
        }
        value
    }
}

private fun tensorsOf(rows: List<*>): List<TensorEntry> {
    checkCount(rows, "tensors")
    val entries = rows.map(::tensorOf)
    checkOrder(entries.map { it.name }, "tensors")
    var nnz = 0L
    for (entry in entries) nnz += entry.nnz
    if (nnz > MAX_NNZ) throw LimitError("section META: $nnz entries change, the format allows $MAX_NNZ")
    return entries
}

private fun productsOf(rows: List<*>, tensors: List<TensorEntry>): List<ProductEntry> {
    checkCount(rows, "products")
    if (rows.isEmpty()) throw FormatError("section META names no product: then the file is of version 1")
    val entries = rows.map(::productOf)
    checkOrder(entries.map { it.name }, "products")
    val factors = entries.sumOf { it.size }
    if (factors > MAX_FACTORS) {
        throw LimitError("section META: products of $factors numbers, the format allows $MAX_FACTORS")
    }
    val shapes = tensors.associate { it.name to it.shape }
    for (entry in entries) {
        if ((shapes[entry.name] ?: entry.shape) != entry.shape) {
            throw FormatError("section META: ${shown(entry.name)} has two shapes, ${entry.shape} for one")
        }
    }
    return entries
}

private fun checkCount(rows: List<*>, what: String) {
    if (rows.size > MAX_TENSORS) throw LimitError("section META has ${rows.size} $what, at most $MAX_TENSORS")
}

private fun checkOrder(names: List<String>, what: String) {
    for ((before, after) in names.zipWithNext()) {
        if (compareByCodePoints(before, after) >= 0) {
            throw FormatError("section META: the $what are not in strictly ascending order of their names")
        }
    }
}

private fun tensorOf(row: Any?): TensorEntry = rowOf(row, "tensor, expected [name, shape, nnz]") { name, shape, nnz ->
    val numel = numel(shape)
    if (nnz !is Long || nnz !in 1..numel) {
        throw FormatError("tensor ${shown(name)}: ${shown(nnz)} changed of $numel entries")
    }
    if (nnz > MAX_NNZ) throw LimitError("tensor ${shown(name)}: $nnz entries change, at most $MAX_NNZ in all")
    TensorEntry(name, shape, nnz.toInt())
}

private fun productOf(row: Any?): ProductEntry = rowOf(row, "product, expected [name, shape, rank]") { name, shape, rank ->
    if (rank !is Long || rank !in 1..MAX_RANK) {
        throw FormatError("product ${shown(name)}: rank ${shown(rank)}, expected 1 to $MAX_RANK")
    }
    ProductEntry(name, shape, rank.toInt())
}

/** What [make] makes of a row of one of the two tables: its name, its shape, and a whole number. */
private fun <T> rowOf(row: Any?, kind: String, make: (String, List<Long>, Number) -> T): T {
    val (name, sizes, number) = (row as? List<*>)?.takeIf { it.size == 3 } ?: listOf(null, null, null)
    if (name !is String || sizes !is List<*> || number !is Number || number is Double) {
        throw FormatError("section META: ${shown(row)} is no $kind")
    }
    val characters = characters(name)
    if (characters !in 1..MAX_NAME_CHARACTERS) {
        throw FormatError("section META: a tensor's name of $characters characters, expected 1 to $MAX_NAME_CHARACTERS")
    }
    val shape = shapeOf(sizes, MAX_NUMEL) ?: throw FormatError("tensor ${shown(name)}: ${shown(sizes)} is no shape")
    return make(name, shape, number)
}

/** 1 to 8 integers above 0 whose product is at most [maxNumel], or null if [sizes] are not. */
internal fun shapeOf(sizes: List<*>, maxNumel: Long): List<Long>? {
    if (sizes.size !in 1..MAX_DIMENSIONS) return null
    var left = maxNumel
    return sizes.map { size ->
        if (size !is Long || size !in 1..left) return null
        left /= size
        size
    }
}

/** How many entries a tensor of [shape] has. */
internal fun numel(shape: List<Long>): Long = shape.fold(1L, Long::times)

private fun characters(text: String): Int = text.codePointCount(0, text.length)

/** As Python orders texts; Kotlin would put U+E000 after U+10000. */
internal fun compareByCodePoints(one: String, other: String): Int {
    var at = 0
    while (at < minOf(one.length, other.length) && one[at] == other[at]) at++
    if (at == one.length || at == other.length) return one.length - other.length
    val inPair = one[at].isSurrogate() && other[at].isSurrogate()
    return when {
        inPair -> one[at] - other[at]
        one[at].isSurrogate() -> 1
        other[at].isSurrogate() -> -1
        else -> one[at] - other[at]
    }
}
