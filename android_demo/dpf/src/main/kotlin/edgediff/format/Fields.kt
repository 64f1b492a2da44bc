package edgediff.format

private const val MAX_SHOWN = 60

/**
 * The fields of a JSON object, each asked for by its type.
 *
 * @property where what the object is, for messages.
 */
internal class Fields private constructor(private val plain: Map<String, Any?>, val where: String) {
    val names: Set<String> get() = plain.keys

    /** @throws JsonError it has a field that is not [expected], or lacks one. */
    fun expectExactly(vararg expected: String) {
        if (names == expected.toSet()) return
        val missing = expected.firstOrNull { it !in names }
        val unknown = names.firstOrNull { it !in expected }
        val found = if (missing != null) "lacks $missing" else "has the unknown field ${shown(unknown)}"
        throw JsonError("$where $found, expected ${expected.joinToString()}")
    }

    /** @throws JsonError the field is no text or not there, as below with each other type. */
    fun text(name: String): String = plain[name] as? String ?: fail(name, "a text")

    fun integer(name: String): Long = plain[name] as? Long ?: fail(name, "an integer")

    fun integer(name: String, allowed: LongRange): Long =
        integer(name).also { if (it !in allowed) fail(name, "an integer from ${allowed.first} to ${allowed.last}") }

    fun number(name: String): Double = (plain[name] as? Number)?.toDouble() ?: fail(name, "a number")

    fun boolean(name: String): Boolean = plain[name] as? Boolean ?: fail(name, "true or false")

    /** Whether the field is there and null. */
    fun isNull(name: String): Boolean = name in names && plain[name] == null

    fun array(name: String): List<*> = plain[name] as? List<*> ?: fail(name, "an array")

    fun fields(name: String): Fields = of(plain[name], "$where, $name")

    fun digest(name: String): String =
        text(name).also { if (!DIGEST.matches(it)) fail(name, "64 digits of 0-9a-f") }

    fun fail(name: String, expected: String): Nothing {
        val found = if (name in names) shown(plain[name]) else "missing"
        throw JsonError("$where: ${name.take(MAX_SHOWN)} is $found, expected $expected")
    }

    companion object {
        private val DIGEST = Regex("[0-9a-f]{64}")

        /** @throws JsonError [value] is no object. */
        fun of(value: Any?, where: String): Fields =
            Fields(asObject(value) ?: throw JsonError("$where is ${shown(value)}, expected an object"), where)
    }
}

@Suppress("UNCHECKED_CAST") // parseJson makes no other maps
private fun asObject(value: Any?): Map<String, Any?>? = value as? Map<String, Any?>

/** A JSON value for a message, cut to some characters. */
internal fun shown(value: Any?): String {
    val text = if (value is String) "'$value'" else value.toString()
    return if (text.length <= MAX_SHOWN) text else text.take(MAX_SHOWN) + "..."
}
