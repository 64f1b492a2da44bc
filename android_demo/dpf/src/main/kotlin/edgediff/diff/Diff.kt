package edgediff.diff

/**
 * The changed entries of one parameter.
 *
 * @property name as in the encoder.
 * @property shape of the parameter, in PyTorch's orientation.
 * @property indices flat, row-major, strictly increasing.
 * @property values what is added to the base at [indices], one each.
 */
class TensorDiff(val name: String, val shape: List<Long>, val indices: LongArray, val values: FloatArray) {
    /** How many entries are changed. */
    val nnz: Int get() = indices.size
}

/**
 * The change of a whole parameter as a product of two thin matrices. The parameter is seen as a matrix: a vector is one
 * row, further axes belong to the columns.
 *
 * @property name as in the encoder.
 * @property shape of the parameter, in PyTorch's orientation.
 * @property rank how many terms are added up.
 * @property left `(rows, rank)`, row after row.
 * @property right `(rank, columns)`, row after row; what is added to the base is `left @ right`.
 */
class Product(val name: String, val shape: List<Long>, val rank: Int, val left: FloatArray, val right: FloatArray) {
    private val columns = right.size / rank

    /** What is added at flat [index], term after term: every reader has the same bits. */
    fun at(index: Int): Float = at(index / columns, index % columns)

    /** Calls [use] with each flat index and what is added there. */
    inline fun forEach(use: (index: Int, added: Float) -> Unit) {
        val columns = right.size / rank
        for (row in 0 until left.size / rank) {
            for (column in 0 until columns) use(row * columns + column, at(row, column))
        }
    }

    @PublishedApi
    internal fun at(row: Int, column: Int): Float {
        var total = left[row * rank] * right[column]
        for (term in 1 until rank) total += left[row * rank + term] * right[term * columns + column]
        return total
    }
}

/**
 * The task's own output layer: `logits = feature @ weight.T + bias`.
 *
 * @property weight `(outputs, width)`, row after row.
 * @property bias `(outputs,)`.
 */
class Head(val weight: FloatArray, val bias: FloatArray)

/**
 * One task over one base. Tensors that the task leaves alone are absent.
 *
 * @property tensors the changes of single entries, in the order of the parameters' names.
 * @property provenance how the diff came about, keys and values for people.
 * @property levels the magnitudes that all values have, ascending and above zero.
 * @property products the changes of whole parameters, likewise in order. One may have single entries as well, which are
 *   added last.
 */
class Diff(
    val base: Base,
    val task: Task,
    val tensors: List<TensorDiff>,
    val head: Head,
    val provenance: Map<String, String>,
    val levels: FloatArray,
    val products: List<Product> = emptyList(),
) {
    /** How many encoder parameters are changed one by one (the head is not counted). */
    val nnz: Int get() = tensors.sumOf { it.nnz }

    /** The shape of each parameter that is changed in any way, by name. */
    val shapes: Map<String, List<Long>>
        get() = tensors.associate { it.name to it.shape } + products.associate { it.name to it.shape }
}
