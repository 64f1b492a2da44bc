package edgediff.tokens

/**
 * The encoder's inputs of one batch.
 *
 * @property rows how many features it has.
 * @property tokens how long the longest is; the others are filled up at the end.
 * @property inputs by the graph's names, each `(rows, tokens)`, row after row.
 */
class Batch(val rows: Int, val tokens: Int, val inputs: Map<String, LongArray>)
