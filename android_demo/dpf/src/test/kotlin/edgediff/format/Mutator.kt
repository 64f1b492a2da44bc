package edgediff.format

import java.math.BigInteger
import kotlin.random.Random

private val EXTREMES: List<Long> = listOf<Long>(0, 1, 2, 23, 24, 25, 127, 128) +
    listOf(8, 16, 20, 22, 26, 40, 41).flatMap { bits -> (-1..1).map { (1L shl bits) + it } }
private val HUGE = BigInteger.TEN.pow(900)
private val ODDITIES: List<Any?> = EXTREMES + listOf(
    -1L, Long.MIN_VALUE, HUGE, List(8) { HUGE }, 1.0, 1e308, true, null, "", "\u0000", "\uD800", "x".repeat(2000),
    emptyList<Any>(), emptyMap<String, Any>(), listOf(listOf(1L)), mapOf("a" to 1L),
)
private val KEYS = listOf("", "x".repeat(65), "answers", "text_pair", "\uDFFF")
private val TOKENS: List<ByteArray> = listOf(
    "\"", "[", "]", "{", "}", ",", ":", "-", "1e400", "0.5", "\\ud800", "\\u0000", "NaN", "\uFEFF",
    "9".repeat(5000), "[".repeat(2000), "\"task\":{},", "\u0000".repeat(8),
).map { it.toByteArray() } + byteArrayOf(-1)
private val SHARES = mapOf(
    "meta" to 6, "numbers" to 6, "quotients" to 4, "remainders" to 2, "levels" to 1, "codes" to 1, "head" to 1,
    "steps" to 2, "factors" to 2,
)

/** How files are broken: taken apart, changed in their bytes or in what these mean, and put together again. */
class Mutator(private val random: Random) {
    /** A file like [data], most often wrong only in what a section holds. */
    fun mutate(data: ByteArray): ByteArray {
        val place = random.nextDouble()
        if (place > 0.95) return changeBytes(data)
        if (place > 0.85) return repair(changeBytes(data))
        val parts = takeApart(data).toMutableMap()
        repeat(pick(listOf(0, 1, 1, 1, 2, 3))) {
            val name = pick(SHARES.filterKeys(parts::containsKey).flatMap { (name, share) -> List(share) { name } })
            parts[name] = changePart(name, parts.getValue(name))
        }
        return putTogether(parts)
    }

    private fun changePart(name: String, part: ByteArray): ByteArray = try {
        when {
            random.nextDouble() > 0.8 -> changeBytes(part)
            name == "meta" -> changeMeta(part)
            name == "numbers" -> changeNumbers(part)
            else -> changeBytes(part)
        }
    } catch (_: Exception) { // an earlier change has left no JSON or numbers
        changeBytes(part)
    }

    /** A few bytes flipped, set, put in, taken out, doubled or reordered. */
    private fun changeBytes(data: ByteArray): ByteArray {
        val changed = data.toMutableList()
        repeat(pick(listOf(1, 1, 1, 2, 4))) {
            val at = random.nextInt(changed.size + 1)
            val piece = changed.subList(at, minOf(changed.size, at + pick(listOf(1, 1, 2, 8))))
            when (random.nextInt(6)) {
                0 -> if (piece.isNotEmpty()) piece[0] = (piece[0].toInt() xor (1 shl random.nextInt(8))).toByte()
                1 -> if (piece.isNotEmpty()) piece[0] = pick(listOf<Byte>(0, 1, 0x7F, -128, -1))
                2 -> piece.addAll(0, (if (random.nextInt(5) == 0) pick(TOKENS) else random.nextBytes(1)).toList())
                3 -> if (random.nextBoolean()) piece.clear() else changed.subList(at, changed.size).clear()
                4 -> piece.toList().let { changed.addAll(random.nextInt(changed.size + 1), it) }
                else -> piece.shuffle(random) // keeps how many bits are set
            }
        }
        return changed.toByteArray()
    }

    private fun changeMeta(part: ByteArray): ByteArray {
        val plain = thawed(parseJson(part))
        changeNode(plain as MutableMap<*, *>)
        return writeJson(plain).toByteArray()
    }

    private fun changeNumbers(part: ByteArray): ByteArray {
        val numbers = decodeNumbers(part, "INDX").mapTo(ArrayList<Any?>()) { it }
        changeList(numbers)
        return encodeNumbers(numbers.filterIsInstance<Long>().filter { it >= 0 })
    }

    /** Something in a tree of lists and objects set to an extreme, moved, taken out or doubled. */
    private fun changeNode(node: Any?) {
        @Suppress("UNCHECKED_CAST")
        when (node) {
            is MutableMap<*, *> -> changeMap(node as MutableMap<String, Any?>)
            is MutableList<*> -> changeList(node as MutableList<Any?>)
        }
    }

    private fun changeMap(node: MutableMap<String, Any?>) {
        val key = pick(node.keys.toList())
        if (descend(node[key])) return
        when (random.nextInt(4)) {
            0 -> node.remove(key)
            1 -> node[pick(KEYS)] = node[key]
            2 -> node[key] = node[pick(node.keys.toList())]
            else -> node[key] = pick(ODDITIES)
        }
    }

    private fun changeList(node: MutableList<Any?>) {
        val at = random.nextInt(node.size)
        if (descend(node[at])) return
        val other = random.nextInt(node.size)
        val (here, there) = node[at] to node[other]
        when (random.nextInt(6)) {
            0 -> node.removeAt(at)
            1 -> node.add(other, here)
            2 -> node[at] = there.also { node[other] = here }
            3 -> if (here is Long && there is Long) { // so that counts may still add up
                node[at] = here - 1
                node[other] = there + 1
            }
            4 -> node[at] = pick(EXTREMES)
            else -> node[at] = pick(ODDITIES)
        }
    }

    private fun descend(node: Any?): Boolean {
        val deeper = (node is Map<*, *> && node.isNotEmpty() || node is List<*> && node.isNotEmpty()) &&
            random.nextDouble() < 0.8
        if (deeper) changeNode(node)
        return deeper
    }

    private fun <T> pick(items: List<T>): T = items[random.nextInt(items.size)]
}

/** A JSON value that can be changed. */
private fun thawed(value: Any?): Any? = when (value) {
    is Map<*, *> -> value.mapValuesTo(LinkedHashMap()) { thawed(it.value) }
    is List<*> -> value.mapTo(ArrayList()) { thawed(it) }
    else -> value
}

private fun writeJson(value: Any?): String = when (value) {
    is Map<*, *> -> value.entries.joinToString(",", "{", "}") { "${writeJson(it.key)}:${writeJson(it.value)}" }
    is List<*> -> value.joinToString(",", "[", "]", transform = ::writeJson)
    is String -> value.toList().joinToString("", "\"", "\"") { "\\u%04x".format(it.code) }
    else -> value.toString()
}
