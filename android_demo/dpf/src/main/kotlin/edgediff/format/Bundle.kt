package edgediff.format

import edgediff.BundleError
import edgediff.diff.Base
import java.io.File
import java.io.IOException

const val MANIFEST_FILE = "base.json"
const val MODEL_FILE = "model.onnx"
const val WEIGHTS_FILE = "weights.bin"
const val TOKENIZER_FILE = "tokenizer.json"

private const val FORMAT_VERSION = 1L
private const val MAX_MANIFEST_BYTES = 1L shl 22
private const val FLOAT_BYTES = 4
private const val MATRIX_AXES = 2
private val INPUTS = listOf("input_ids", "attention_mask", "token_type_ids")
private val POOLED = listOf("pooler", "first_token")
private val ANY = 0L..Int.MAX_VALUE

/**
 * Reads and checks `base.json` of the folder [bundle]: that each file it names has the size it states, and that each
 * parameter lies within `weights.bin`.
 *
 * @throws BundleError the bundle is missing, of another version, or damaged.
 */
fun readManifest(bundle: File): Manifest {
    val file = File(bundle, MANIFEST_FILE)
    if (!file.isFile) {
        throw BundleError("$bundle is no base bundle: it has no $MANIFEST_FILE (`edgediff export` makes one)")
    }
    val manifest = try {
        val size = file.length()
        if (size > MAX_MANIFEST_BYTES) throw JsonError("it has $size bytes, at most $MAX_MANIFEST_BYTES")
        val fields = Fields.of(parseJson(file.readBytes()), "the manifest")
        val version = fields.integer("format_version")
        if (version != FORMAT_VERSION) {
            throw BundleError("$file is of format version $version, this edgediff knows $FORMAT_VERSION")
        }
        manifestOf(fields)
    } catch (error: IOException) {
        throw BundleError("$file cannot be read: ${error.message}", error)
    } catch (error: JsonError) {
        throw BundleError("$file is no manifest that can be read: ${error.message}", error)
    }
    for ((name, entry) in manifest.files) checkFile(File(bundle, name), entry)
    return manifest
}

private fun checkFile(file: File, entry: FileEntry) {
    if (file.isFile && file.length() == entry.bytes) return
    val found = if (file.isFile) "has ${file.length()} bytes" else "is missing"
    throw BundleError("$file $found, the manifest states ${entry.bytes} bytes: export it again")
}

private fun manifestOf(fields: Fields): Manifest {
    fields.expectExactly(
        "format_version", "base", "model_type", "max_length", "pad_token_id", "pad_token_type_id",
        "inputs", "pooled", "parameters", "equal", "tied", "files",
    )
    if (fields.text("pooled") !in POOLED) fields.fail("pooled", "one of ${POOLED.joinToString()}")
    fields.array("equal")
    fields.array("tied")
    val base = baseOf(fields.fields("base"))
    val files = filesOf(fields.fields("files"))
    return Manifest(
        base = base,
        modelType = fields.text("model_type"),
        maxLength = fields.integer("max_length", 1L..Int.MAX_VALUE).toInt(),
        padTokenId = fields.integer("pad_token_id", ANY),
        padTokenTypeId = fields.integer("pad_token_type_id", ANY),
        inputs = inputsOf(fields),
        parameters = parametersOf(fields.array("parameters"), base, files.getValue(WEIGHTS_FILE).bytes),
        files = files,
    )
}

private fun inputsOf(fields: Fields): List<String> {
    val inputs = fields.array("inputs")
    val known = inputs.filterIsInstance<String>().filter { it in INPUTS }.distinct()
    if (known.size < inputs.size || "input_ids" !in known) fields.fail("inputs", "a part of ${INPUTS.joinToString()}")
    return known
}

private fun filesOf(fields: Fields): Map<String, FileEntry> {
    for (name in listOf(MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE)) {
        if (name !in fields.names) throw JsonError("${fields.where} lacks $name")
    }
    return fields.names.associateWith { name ->
        val entry = fields.fields(name)
        entry.expectExactly("bytes", "sha256")
        FileEntry(entry.integer("bytes", 0..Long.MAX_VALUE), entry.digest("sha256"))
    }
}

/** The parameters in `weights.bin` of [bytes] bytes; all of them are the [base]'s. */
private fun parametersOf(rows: List<*>, base: Base, bytes: Long): List<Parameter> {
    val parameters = rows.mapIndexed { number, row -> parameterOf(Fields.of(row, "parameter $number"), bytes) }
    for ((before, after) in parameters.zipWithNext()) {
        if (compareByCodePoints(before.name, after.name) >= 0) {
            throw JsonError("parameter ${shown(after.name)} stands after ${shown(before.name)}, expected their order")
        }
    }
    if (parameters.distinctBy { it.initializer }.size < parameters.size) {
        throw JsonError("two parameters have the same initializer")
    }
    val numbers = parameters.sumOf { it.length / FLOAT_BYTES }
    if (numbers != base.parameters) throw JsonError("the parameters have $numbers numbers, the base ${base.parameters}")
    return parameters
}

private fun parameterOf(fields: Fields, bytes: Long): Parameter {
    fields.expectExactly("name", "shape", "initializer", "transposed", "offset", "length")
    val shape = shapeOf(fields.array("shape"), bytes / FLOAT_BYTES)
        ?: fields.fail("shape", "1 to 8 sizes of a tensor that $WEIGHTS_FILE can hold")
    val length = FLOAT_BYTES * numel(shape)
    if (fields.integer("length") != length) fields.fail("length", "$length, the bytes of shape $shape")
    val offset = fields.integer("offset", 0..bytes - length)
    if (offset % FLOAT_BYTES != 0L) fields.fail("offset", "a multiple of $FLOAT_BYTES")
    val transposed = fields.boolean("transposed")
    if (transposed && shape.size != MATRIX_AXES) fields.fail("transposed", "false but for a matrix")
    return Parameter(fields.text("name"), shape, fields.text("initializer"), transposed, offset, length)
}
