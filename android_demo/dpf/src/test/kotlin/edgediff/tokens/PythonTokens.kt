package edgediff.tokens

import edgediff.EdgeDiffError
import edgediff.diff.Kind
import edgediff.diff.Metric
import edgediff.diff.Task
import edgediff.format.Fields
import edgediff.format.readManifest
import edgediff.runtime.Fixtures
import java.io.File

/** `tokens.json`: what Python makes of tricky texts. */
internal val pythonTokens: Fields by lazy { Fixtures.json("tokens.json") }

/** A task as [kind] and [maxLength] make it; the rest does not reach the tokenizer. */
internal fun taskOf(kind: Kind, maxLength: Int) =
    Task("tricky", kind, "first", null, null, listOf("no", "yes"), Metric.ACCURACY, null, maxLength)

internal fun tokensOf(bundle: File, kind: Kind = Kind.CLASSIFICATION, maxLength: Int = 512) =
    Tokens(bundle, readManifest(Fixtures.base), taskOf(kind, maxLength))

/** The objects of the array [name]. */
internal fun Fields.each(name: String): List<Fields> = array(name).map { Fields.of(it, name) }

internal fun integers(plain: Any?): List<Int> = (plain as List<*>).map { (it as Long).toInt() }

/** One text or pair with what Python says of it: its features, or the sentence that refuses it. */
internal class Row(private val fields: Fields) {
    private val texts = fields.array("texts").map { it as String }

    /** What Kotlin says that Python does not, or null. */
    fun differs(tokens: Tokens): String? {
        val found = try {
            tokens.features(texts.take(1), texts.drop(1).ifEmpty { null }).map(::plain)
        } catch (error: EdgeDiffError) {
            error.message
        }
        val wanted = if ("refused" in fields.names) fields.text("refused") else fields.each("features").map(::plain)
        return if (found == wanted) null else "${texts.map(::escaped)}:\n  found  $found\n  wanted $wanted"
    }

    private fun plain(feature: Feature) = listOf(
        feature.ids.asList(),
        feature.types.asList(),
        feature.sequence.asList(),
        feature.starts.asList().zip(feature.ends.asList()),
        feature.cut,
    )

    private fun plain(feature: Fields): List<Any> {
        val sequence = integers(feature.array("sequence"))
        val offsets = feature.array("offsets").map(::integers).zip(sequence) { (start, end), of ->
            if (of < 0) 0 to 0 else units(texts[of], start) to units(texts[of], end)
        }
        return listOf(
            integers(feature.array("ids")), integers(feature.array("types")), sequence, offsets, feature.boolean("cut"),
        )
    }
}

/** Python counts code points, Kotlin UTF-16 units. */
internal fun units(text: String, codePoints: Int): Int = text.offsetByCodePoints(0, codePoints)

private fun escaped(text: String): String =
    text.map { if (it in ' '..'~') "$it" else "\\u%04x".format(it.code) }.joinToString("").take(400)
