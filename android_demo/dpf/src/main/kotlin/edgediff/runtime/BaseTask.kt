package edgediff.runtime

import edgediff.BaseMismatchError
import edgediff.TaskError
import edgediff.diff.Base
import edgediff.diff.Diff
import edgediff.diff.Task
import edgediff.format.Manifest
import edgediff.format.readDpf
import java.io.File

/**
 * A task of an open base.
 *
 * @property name by which it is asked for.
 * @property file its `.dpf` file.
 * @property definition what the file says of the task.
 * @property fileBytes the file's size.
 */
class BaseTask internal constructor(
    val name: String,
    val file: File,
    val definition: Task,
    val fileBytes: Long,
) {
    /** The head as inputs of the graph, from the first use on. */
    internal var head: HeadFeeds? = null

    /**
     * The diff, read now.
     *
     * @throws edgediff.FormatError the file is damaged.
     * @throws BaseMismatchError it does not fit the base.
     * @throws TaskError it holds another task than when it was added.
     */
    internal fun diff(manifest: Manifest, bundle: File): Diff {
        val diff = readDpf(file)
        checkBase(manifest, diff.base, diff.shapes, bundle, file)
        if (diff.task != definition) throw TaskError("$file is of another task than when it was added: add it again")
        return diff
    }
}

/**
 * @throws BaseMismatchError [file] was made for another base than the one of [bundle] (the text holds both fingerprints),
 *   or changes parameters of [shapes] that it does not have.
 */
internal fun checkBase(manifest: Manifest, base: Base, shapes: Map<String, List<Long>>, bundle: File, file: File) {
    val own = manifest.base
    if (base.fingerprint != own.fingerprint) {
        throw BaseMismatchError(
            "$file was made for the base ${base.name} with fingerprint ${base.fingerprint}," +
                " but $bundle holds ${own.name} with fingerprint ${own.fingerprint}",
        )
    }
    if (base.width != own.width) {
        throw BaseMismatchError("$file has a head of width ${base.width}, the base $bundle has ${own.width}")
    }
    val parameters = manifest.parameters.associateBy { it.name }
    for ((name, shape) in shapes) {
        val parameter = parameters[name]
            ?: throw BaseMismatchError("$file changes $name, which the base $bundle does not have")
        if (parameter.shape != shape) {
            throw BaseMismatchError("$file changes $name of shape $shape, the base $bundle has ${parameter.shape}")
        }
    }
}
