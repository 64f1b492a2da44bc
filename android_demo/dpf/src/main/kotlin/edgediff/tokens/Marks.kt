package edgediff.tokens

/**
 * Puts the marks on each character into Unicode's canonical order.
 *
 * Where they came from does not move with them: as Hugging Face's `tokenizers` counts, the first mark of a run in its
 * new order is of the place of the first in the old one.
 */
internal fun Normalized.orderMarks() {
    var at = 0
    while (at < size) {
        val first = at++
        if (!isMark(codes[first])) continue
        while (at < size && isMark(codes[at])) at++
        // Accents alone are dropped in whatever order.
        if (at - first > 1 && (first until at).any { !isAccent(codes[it]) }) orderMarks(first, at)
    }
}

private fun Normalized.orderMarks(first: Int, last: Int) {
    val ordered = decompose(String(codes, first, last - first)).codePoints().toArray()
    if (ordered.indices.all { ordered[it] == codes[first + it] }) return
    // A part of the character before has no place of its own. Equal marks keep their order.
    val parts = HashMap<Int, ArrayDeque<Boolean>>()
    val places = ArrayList<Pair<Int, Int>>()
    for (at in first until last) {
        val part = at > 0 && starts[at] == starts[at - 1]
        parts.getOrPut(codes[at], ::ArrayDeque).add(part)
        if (!part) places += starts[at] to ends[at]
    }
    val next = places.iterator()
    var place = if (first > 0) starts[first - 1] to ends[first - 1] else places.first()
    for ((number, code) in ordered.withIndex()) {
        if (!parts.getValue(code).removeFirst()) place = next.next()
        codes[first + number] = code
        starts[first + number] = place.first
        ends[first + number] = place.second
    }
}
