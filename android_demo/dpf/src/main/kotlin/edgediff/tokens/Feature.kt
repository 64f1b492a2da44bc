package edgediff.tokens

/**
 * One sequence of tokens that the encoder sees.
 *
 * @property row which row it is of; a long context of question answering has several features.
 * @property ids its tokens.
 * @property types the kind of text that each is of, as the encoder tells them apart.
 * @property sequence 0 for a token of the first text, 1 for one of the second, -1 for a special one.
 * @property starts the place of each token's first character in its text, in UTF-16 units; 0 for special ones.
 * @property ends the place after the last.
 * @property cut whether tokens of the row are in none of its features.
 */
class Feature(
    val row: Int,
    val ids: IntArray,
    val types: IntArray,
    val sequence: IntArray,
    val starts: IntArray,
    val ends: IntArray,
    val cut: Boolean,
) {
    /** How many tokens it has, special ones included. */
    val size: Int get() = ids.size
}

/** The feature of [texts], set into [template]. */
internal fun featureOf(row: Int, template: Template, texts: List<Pieces>, cut: Boolean): Feature {
    val columns = List(5) { Growing(0) }
    fun add(vararg values: Int) = values.forEachIndexed { i, value -> columns[i].add(value) }
    for (slot in template) {
        when (slot) {
            is Slot.Special -> add(slot.id, slot.type, -1, 0, 0)
            is Slot.Text -> texts[slot.text].let { text ->
                for (i in text.ids.indices) add(text.ids[i], slot.type, slot.text, text.starts[i], text.ends[i])
            }
        }
    }
    val (ids, types, sequence, starts, ends) = columns.map(Growing::toArray)
    return Feature(row, ids, types, sequence, starts, ends, cut)
}
