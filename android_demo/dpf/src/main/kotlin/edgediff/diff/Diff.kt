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
 * The task's own output layer: `logits = feature @ weight.T + bias`.
 *
 * @property weight `(outputs, width)`, row after row.
 * @property bias `(outputs,)`.
 */
class Head(val weight: FloatArray, val bias: FloatArray)

/**
 * One task over one base. Tensors that the task leaves alone are absent.
 *
 * @property tensors the changes, in the order of the parameters' names.
 * @property provenance how the diff came about, keys and values for people.
 * @property levels the magnitudes that all values have, ascending and above zero.
 */
class Diff(
    val base: Base,
    val task: Task,
    val tensors: List<TensorDiff>,
    val head: Head,
    val provenance: Map<String, String>,
    val levels: FloatArray,
) {
    /** How many encoder parameters are changed (the head is not counted). */
    val nnz: Int get() = tensors.sumOf { it.nnz }
}
