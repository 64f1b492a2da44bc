package edgediff.format

import edgediff.BundleError
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.io.TempDir
import java.io.File
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

private const val DIGEST = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
private val MANIFEST = """
    {"format_version": 1, "base": {"name": "b", "fingerprint": "$DIGEST", "parameters": 11, "width": 2},
     "model_type": "bert", "max_length": 512, "pad_token_id": 0, "pad_token_type_id": 0,
     "inputs": ["input_ids", "attention_mask"], "pooled": "pooler",
     "parameters": [
       {"name": "bias", "shape": [3], "initializer": "x.bias", "transposed": false, "offset": 0, "length": 12},
       {"name": "weight", "shape": [2, 4], "initializer": "x.weight", "transposed": true,
        "offset": 4096, "length": 32}],
     "equal": [], "tied": [],
     "files": {"model.onnx": {"bytes": 5, "sha256": "$DIGEST"}, "tokenizer.json": {"bytes": 2, "sha256": "$DIGEST"},
               "weights.bin": {"bytes": 4128, "sha256": "$DIGEST"}}}
"""

class BundleTest {
    @TempDir
    lateinit var bundle: File

    @BeforeEach
    fun write() {
        File(bundle, MANIFEST_FILE).writeText(MANIFEST)
        File(bundle, MODEL_FILE).writeBytes(ByteArray(5))
        File(bundle, TOKENIZER_FILE).writeBytes(ByteArray(2))
        File(bundle, WEIGHTS_FILE).writeBytes(ByteArray(4128))
    }

    /** The manifest with one text of it replaced is refused with a message that has [message]. */
    private fun assertRefused(message: String, old: String, new: String) {
        check(old in MANIFEST)
        File(bundle, MANIFEST_FILE).writeText(MANIFEST.replaceFirst(old, new))
        assertContains(assertFailsWith<BundleError>(new) { readManifest(bundle) }.message.orEmpty(), message)
    }

    @Test
    fun `a manifest says what base_json states`() {
        val manifest = readManifest(bundle)
        assertEquals("b", manifest.base.name)
        assertEquals(11, manifest.base.parameters)
        assertEquals(512, manifest.maxLength)
        assertEquals(listOf("input_ids", "attention_mask"), manifest.inputs)
        assertEquals(Parameter("weight", listOf(2, 4), "x.weight", true, 4096, 32), manifest.parameters[1])
        assertEquals(FileEntry(5, DIGEST), manifest.files["model.onnx"])
    }

    @Test
    fun `a folder without a manifest is no bundle`() {
        File(bundle, MANIFEST_FILE).delete()
        val error = assertFailsWith<BundleError> { readManifest(bundle) }
        assertEquals("$bundle is no base bundle: it has no base.json (`edgediff export` makes one)", error.message)
    }

    @Test
    fun `a missing file is named`() {
        File(bundle, MODEL_FILE).delete()
        val error = assertFailsWith<BundleError> { readManifest(bundle) }
        val file = File(bundle, MODEL_FILE)
        assertEquals("$file is missing, the manifest states 5 bytes: export it again", error.message)
    }

    @Test
    fun `a shortened file is named with its size`() {
        File(bundle, WEIGHTS_FILE).writeBytes(ByteArray(4000))
        val error = assertFailsWith<BundleError> { readManifest(bundle) }
        val file = File(bundle, WEIGHTS_FILE)
        assertEquals("$file has 4000 bytes, the manifest states 4128 bytes: export it again", error.message)
    }

    @Test
    fun `another version is refused, whatever else it has`() =
        assertRefused("is of format version 2, this edgediff knows 1", "_version\": 1", "_version\": 2, \"new\": 1")

    @Test
    fun `what is no JSON is refused`() {
        assertRefused("is no manifest that can be read", "}}}", "}}")
        assertRefused("is no manifest that can be read", MANIFEST, "[]")
        File(bundle, MANIFEST_FILE).writeBytes(byteArrayOf(-1))
        assertFailsWith<BundleError> { readManifest(bundle) }
    }

    @Test
    fun `a field that is missing, unknown or of the wrong type is named`() {
        assertRefused("format_version is missing", "\"format_version\": 1,", "")
        assertRefused("has the unknown field 'new'", "\"tied\": [],", "\"tied\": [], \"new\": 1,")
        assertRefused("the manifest lacks equal", "\"equal\": [],", "")
        for ((field, old, new) in listOf(
            Triple("format_version", "_version\": 1", "_version\": 1.0"),
            Triple("max_length", "512", "\"512\""),
            Triple("max_length", "512", "4294967297"),
            Triple("model_type", "\"bert\"", "null"),
            Triple("pad_token_id", "_token_id\": 0", "_token_id\": -1"),
            Triple("inputs", "[\"input_ids\", \"attention_mask\"]", "{}"),
            Triple("inputs", "\"input_ids\",", ""),
            Triple("inputs", "\"attention_mask\"", "\"pixels\""),
            Triple("inputs", "\"attention_mask\"", "\"input_ids\""),
            Triple("pooled", "pooler", "mean"),
            Triple("fingerprint", DIGEST, "0"),
            Triple("width", "\"width\": 2", "\"width\": 0"),
            Triple("sha256", "5, \"sha256\": \"$DIGEST", "5, \"sha256\": \""),
            Triple("bytes", "\"bytes\": 5", "\"bytes\": -5"),
            Triple("transposed", "true", "1"),
            Triple("initializer", "\"x.bias\"", "[]"),
            Triple("parameter 0", "{\"name\": \"bias\"", "{\"title\": \"bias\""),
            Triple("files lacks model.onnx", "\"model.onnx\"", "\"graph.onnx\""),
        )) {
            assertRefused(field, old, new)
        }
    }

    @Test
    fun `a parameter that does not lie within weights_bin is refused`() {
        assertRefused("offset is 4100", "\"offset\": 4096", "\"offset\": 4100")
        assertRefused("offset is -4", "\"offset\": 0", "\"offset\": -4")
        assertRefused("offset is 2", "\"offset\": 0", "\"offset\": 2")
        assertRefused("offset is 9223372036854775807", "\"offset\": 0", "\"offset\": 9223372036854775807")
        assertRefused("length is 16, expected 12", "\"length\": 12", "\"length\": 16")
        assertRefused("length is 12, expected 16", "[3]", "[4]")
        assertRefused("shape is [4294967296, 4294967296]", "[2, 4]", "[4294967296, 4294967296]")
        assertRefused("shape is [0]", "[3]", "[0]")
        assertRefused("shape is [3.0]", "[3]", "[3.0]")
        assertRefused("shape is []", "[3]", "[]")
        assertRefused("transposed is true", "false", "true")
    }

    @Test
    fun `parameters are in order, each with an initializer of its own, and all of the base`() {
        assertRefused("stands after", "\"bias\"", "\"xbias\"")
        assertRefused("stands after", "\"weight\"", "\"bias\"")
        assertRefused("the same initializer", "x.weight", "x.bias")
        assertRefused("the parameters have 11 numbers, the base 12", "\"parameters\": 11", "\"parameters\": 12")
    }
}
