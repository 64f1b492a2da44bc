package edgediff.format

import edgediff.FormatError
import edgediff.TruncatedError
import edgediff.diff.Product

private const val STEP_BYTES = 4

/**
 * Section PROD: the products of [entries].
 *
 * @throws FormatError of the kind that says what is wrong.
 */
internal fun decodeProducts(data: ByteArray, entries: List<ProductEntry>): List<Product> {
    val terms = entries.sumOf { it.rank }
    val numbers = entries.sumOf { it.size }.toInt()
    val codesAt = STEP_BYTES * terms
    if (data.size < codesAt) {
        throw TruncatedError("section PROD has ${data.size} bytes, too few for the steps of $terms terms")
    }
    if (numbers > MAX_DEFLATE_RATIO.toLong() * data.size) {
        throw TruncatedError("section PROD has ${data.size} bytes, too few for $numbers numbers")
    }
    val fields = littleEndian(data)
    val steps = FloatArray(terms) { fields.getFloat(STEP_BYTES * it) }
    if (!steps.all { it > 0 && it.isFinite() }) {
        throw FormatError("section PROD holds a step that is not finite and above zero")
    }
    val codes = inflate(data, codesAt, data.size, numbers, "PROD")
    if (codes.size != numbers) {
        throw TruncatedError("section PROD holds ${codes.size} codes, the products have $numbers numbers")
    }
    if (codes.any { it == Byte.MIN_VALUE }) throw FormatError("section PROD holds the code ${Byte.MIN_VALUE}")
    var term = 0
    var number = 0
    return entries.map { entry ->
        productOf(entry, steps, term, codes, number).also {
            term += entry.rank
            number += entry.size.toInt()
        }
    }
}

/** The product whose first step is the one numbered [term], and its first code the one numbered [number]. */
private fun productOf(entry: ProductEntry, steps: FloatArray, term: Int, codes: ByteArray, number: Int): Product {
    val (rows, columns) = entry.rows.toInt() to entry.columns.toInt()
    val left = FloatArray(rows * entry.rank)
    val right = FloatArray(entry.rank * columns)
    for (t in 0 until entry.rank) {
        val columnAt = number + t * (rows + columns)
        for (row in 0 until rows) left[row * entry.rank + t] = codes[columnAt + row].toFloat()
        for (column in 0 until columns) {
            right[t * columns + column] = codes[columnAt + rows + column] * steps[term + t]
        }
    }
    if (!right.all { it.isFinite() }) {
        throw FormatError("section PROD: a step of ${shown(entry.name)} is too large for its codes")
    }
    return Product(entry.name, entry.shape, entry.rank, left, right)
}
