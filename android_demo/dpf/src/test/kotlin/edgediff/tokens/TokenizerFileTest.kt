package edgediff.tokens

import edgediff.BundleError
import edgediff.format.TOKENIZER_FILE
import org.junit.jupiter.api.io.TempDir
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

private const val TOKENIZER = """
    {"added_tokens": [{"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": true}],
     "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
       "lowercase": true},
     "pre_tokenizer": {"type": "BertPreTokenizer"},
     "post_processor": {"type": "TemplateProcessing",
       "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
       "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
         {"Sequence": {"id": "B", "type_id": 1}}],
       "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}}},
     "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
       "max_input_chars_per_word": 3, "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2, "##a": 3}}}
"""

class TokenizerFileTest {
    @TempDir
    lateinit var bundle: File

    private val file get() = File(bundle, TOKENIZER_FILE)

    private fun refused(): String = assertFailsWith<BundleError> { readTokenizer(bundle) }.message.orEmpty()

    /** The tokenizer with [old] replaced is refused, for the reason [why]. */
    private fun assertRefused(why: String, old: String, new: String) {
        check(TOKENIZER.split(old).size == 2) { "$old must stand once" }
        file.writeText(TOKENIZER.replace(old, new))
        assertEquals("$file is no tokenizer that can be read: $why", refused())
    }

    @Test
    fun `a tokenizer of BERT's kind is read`() {
        file.writeText(TOKENIZER)
        val found = readTokenizer(bundle)
        assertEquals(listOf(2, 3, 3, 0, 1), found.wordPiece.encode("AAá aaaa[CLS]").ids.asList())
        assertEquals(listOf(2, 3), listOf(found.single.size, found.pair.size))
    }

    @Test
    fun `a missing tokenizer is named`() =
        assertEquals("$file cannot be read: $file (No such file or directory)", refused())

    @Test
    fun `a damaged tokenizer is refused`() {
        file.writeText(TOKENIZER.trim().dropLast(1))
        assertEquals(
            "$file is no tokenizer that can be read: the end at ${TOKENIZER.trim().length - 1}, expected a comma or }",
            refused(),
        )
        file.writeText("[]")
        assertEquals("$file is no tokenizer that can be read: the tokenizer is [], expected an object", refused())
        file.writeBytes(byteArrayOf(-1))
        assertEquals("$file is no tokenizer that can be read: not UTF-8", refused())
    }

    @Test
    fun `a tokenizer of another kind is refused`() {
        val kind = "as tokenizers of BERT's kind have it"
        assertRefused("the tokenizer, model: type is 'BPE', expected WordPiece, $kind", "WordPiece", "BPE")
        assertRefused(
            "the tokenizer, normalizer: type is 'NFC', expected BertNormalizer, $kind", "BertNormalizer", "NFC",
        )
        assertRefused("the tokenizer, normalizer is null, expected an object", "\"normalizer\"", "\"other\"")
        assertRefused(
            "the tokenizer, pre_tokenizer: type is 'ByteLevel', expected BertPreTokenizer, $kind",
            "BertPreTokenizer", "ByteLevel",
        )
        assertRefused(
            "the tokenizer, post_processor: type is 'ByteLevel', expected BertProcessing or TemplateProcessing",
            "TemplateProcessing", "ByteLevel",
        )
    }

    @Test
    fun `an added token that is matched in another way is refused`() {
        val kind = "is true, expected false, as tokenizers of BERT's kind have it"
        assertRefused("an added token: normalized $kind", "\"normalized\": false", "\"normalized\": true")
        assertRefused("an added token: single_word $kind", "\"single_word\": false", "\"single_word\": true")
        assertRefused("an added token: rstrip is missing, expected true or false", "\"rstrip\"", "\"other\"")
    }

    @Test
    fun `a vocabulary without its unknown token, or with a number that is none, is refused`() {
        assertRefused(
            "the tokenizer, model: unk_token is '[UNK]', expected a token of the vocabulary", "\"[UNK]\": 0, ", "",
        )
        assertRefused(
            "the tokenizer, model, vocab: a is -2, expected an integer from 0 to 2147483647", "\"a\": 2", "\"a\": -2",
        )
    }

    @Test
    fun `a template that names a token which is not there is refused`() = assertRefused(
        "the tokenizer, post_processor, special_tokens, [CLS] is null, expected an object", "{\"[CLS]\": {", "{\"\": {",
    )
}
