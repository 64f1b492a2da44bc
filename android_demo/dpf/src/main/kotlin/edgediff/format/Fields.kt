package edgediff.format

private const val MAX_SHOWN = 60

/**
 * The fields of a JSON object, each asked for by its type.
 *
 * @property plain the object as [parseJson] gives it.
 * @property where what the object is, for messages.
 */
internal class Fields private constructor(val plain: Map<*, *>, val where: String) {
    /** @throws JsonError it has another field than [names], or lacks one. */
    fun expectExactly(vararg names: String): Fields {
        if (plain.keys != names.toSet()) {
            throw JsonError("$where has the fields ${shown(plain.keys.joinToString())}, expected ${names.joinToString()}")
        }
        return this
    }

    /** @throws JsonError the field is no text or not there, as below with each other type. */
    fun text(name: String): String = plain[name] as? String ?: fail(name, "a text")

    fun integer(name: String): Long = plain[name] as? Long ?: fail(name, "an integer")

    fun integer(name: String, allowed: LongRange): Long =
        integer(name).also { if (it !in allowed) fail(name, "an integer from ${allowed.first} to ${allowed.last}") }

    fun boolean(name: String): Boolean = plain[name] as? Boolean ?: fail(name, "true or false")

    fun array(name: String): List<*> = plain[name] as? List<*> ?: fail(name, "an array")

    fun fields(name: String): Fields = of(plain[name], "$where, $name")

    fun digest(name: String): String =
        text(name).also { if (!DIGEST.matches(it)) fail(name, "64 digits of 0-9a-f") }

    fun fail(name: String, expected: String): Nothing =
        throw JsonError("$where: $name is ${if (name in plain) shown(plain[name]) else "missing"}, expected $expected")

    companion object {
        private val DIGEST = Regex("[0-9a-f]{64}")

        /** @throws JsonError [value] is no object. */
        fun of(value: Any?, where: String): Fields =
            Fields(value as? Map<*, *> ?: throw JsonError("$where is ${shown(value)}, expected an object"), where)
    }
}

/** A JSON value for a message, cut to some characters. */
internal fun shown(value: Any?): String {
    val text = if (value is String) "'$value'" else value.toString()
    return if (text.length <= MAX_SHOWN) text else text.take(MAX_SHOWN) + "..."
}
