package edgediff.format

import edgediff.diff.Base

/**
 * Where one encoder parameter lies.
 *
 * @property name as in the encoder.
 * @property shape in PyTorch's orientation.
 * @property initializer its name in the graph.
 * @property transposed whether the graph, and `weights.bin`, hold the transpose (of a matrix).
 * @property offset of its first byte in `weights.bin`.
 * @property length in bytes; float32, little-endian, row-major.
 */
data class Parameter(
    val name: String,
    val shape: List<Long>,
    val initializer: String,
    val transposed: Boolean,
    val offset: Long,
    val length: Long,
)

/** Size and SHA-256 of a file of the bundle. */
data class FileEntry(val bytes: Long, val sha256: String)

/**
 * What `base.json` states (`docs/bundle.md`, "The manifest").
 *
 * @property modelType Hugging Face's name of the architecture.
 * @property maxLength the most tokens the encoder takes.
 * @property padTokenId fills the shorter rows of a batch, as does [padTokenTypeId].
 * @property inputs the token inputs of the graph, a part of input_ids, attention_mask, token_type_ids.
 * @property parameters one entry each, sorted by name.
 * @property files the other files of the bundle.
 */
data class Manifest(
    val base: Base,
    val modelType: String,
    val maxLength: Int,
    val padTokenId: Long,
    val padTokenTypeId: Long,
    val inputs: List<String>,
    val parameters: List<Parameter>,
    val files: Map<String, FileEntry>,
)
