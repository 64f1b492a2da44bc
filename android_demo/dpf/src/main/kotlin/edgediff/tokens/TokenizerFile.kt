package edgediff.tokens

import edgediff.BundleError
import edgediff.format.Fields
import edgediff.format.JsonError
import edgediff.format.TOKENIZER_FILE
import edgediff.format.parseJson
import java.io.File
import java.io.IOException

/** What stands at one place of a [Template]: a text's tokens, or a special one. */
internal sealed interface Slot {
    /** The tokens of the text number [text]. */
    class Text(val text: Int, val type: Int) : Slot

    class Special(val id: Int, val type: Int) : Slot
}

/** How texts and special tokens follow one another. */
internal typealias Template = List<Slot>

/**
 * A tokenizer of BERT's kind, as `tokenizer.json` describes it.
 *
 * @property single around one text.
 * @property pair around two.
 */
internal class TokenizerFile(val wordPiece: WordPiece, val single: Template, val pair: Template)

/**
 * Reads `tokenizer.json` of the base [bundle].
 *
 * @throws BundleError it is missing, damaged, or of another kind than BERT's.
 */
internal fun readTokenizer(bundle: File): TokenizerFile {
    val file = File(bundle, TOKENIZER_FILE)
    return try {
        tokenizerOf(Fields.of(parseJson(file.readBytes()), "the tokenizer"))
    } catch (error: IOException) {
        throw BundleError("$file cannot be read: ${error.message}", error)
    } catch (error: JsonError) {
        throw BundleError("$file is no tokenizer that can be read: ${error.message}", error)
    }
}

private fun tokenizerOf(fields: Fields): TokenizerFile {
    val model = fields.ofType("model", "WordPiece")
    fields.ofType("pre_tokenizer", "BertPreTokenizer")
    val vocabulary = model.fields("vocab").let { all -> all.names.associateWith { all.integer(it, IDS).toInt() } }
    val unknown = vocabulary[model.text("unk_token")] ?: model.fail("unk_token", "a token of the vocabulary")
    val wordPiece = WordPiece(
        normalizerOf(fields.ofType("normalizer", "BertNormalizer")),
        vocabulary,
        unknown,
        model.text("continuing_subword_prefix"),
        model.integer("max_input_chars_per_word", IDS).toInt(),
        fields.array("added_tokens").associate(::addedOf),
    )
    val (single, pair) = templatesOf(fields.fields("post_processor"))
    return TokenizerFile(wordPiece, single, pair)
}

private val IDS = 0L..Int.MAX_VALUE

private fun Fields.ofType(name: String, type: String): Fields =
    fields(name).also { if (it.text("type") != type) it.fail("type", "$type, as tokenizers of BERT's kind have it") }

private fun normalizerOf(fields: Fields): Normalizer {
    val lowercase = fields.boolean("lowercase")
    return Normalizer(
        cleanText = fields.boolean("clean_text"),
        chineseApart = fields.boolean("handle_chinese_chars"),
        stripAccents = if (fields.isNull("strip_accents")) lowercase else fields.boolean("strip_accents"),
        lowercase = lowercase,
    )
}

private fun addedOf(plain: Any?): Pair<String, Added> {
    val fields = Fields.of(plain, "an added token")
    for (name in listOf("single_word", "normalized")) {
        if (fields.boolean(name)) fields.fail(name, "false, as tokenizers of BERT's kind have it")
    }
    val id = fields.integer("id", IDS).toInt()
    return fields.text("content") to Added(id, fields.boolean("lstrip"), fields.boolean("rstrip"))
}

private fun templatesOf(fields: Fields): Pair<Template, Template> = when (fields.text("type")) {
    "BertProcessing" -> {
        val (start, end) = listOf("cls", "sep").map { name ->
            (fields.array(name).getOrNull(1) as? Long)?.toInt() ?: fields.fail(name, "a token and its number")
        }
        val single = listOf(Slot.Special(start, 0), Slot.Text(0, 0), Slot.Special(end, 0))
        single to single + listOf(Slot.Text(1, 1), Slot.Special(end, 1))
    }
    "TemplateProcessing" -> {
        val special = fields.fields("special_tokens")
        templateOf(fields, "single", special) to templateOf(fields, "pair", special)
    }
    else -> fields.fail("type", "BertProcessing or TemplateProcessing")
}

private fun templateOf(fields: Fields, name: String, special: Fields): Template = fields.array(name).flatMap { plain ->
    val slot = Fields.of(plain, "the template $name")
    if ("Sequence" in slot.names) {
        val text = slot.fields("Sequence")
        listOf(Slot.Text(if (text.text("id") == "A") 0 else 1, text.integer("type_id", IDS).toInt()))
    } else {
        val token = slot.fields("SpecialToken")
        val ids = special.fields(token.text("id")).array("ids").filterIsInstance<Long>()
        ids.map { Slot.Special(it.toInt(), token.integer("type_id", IDS).toInt()) }
    }
}
