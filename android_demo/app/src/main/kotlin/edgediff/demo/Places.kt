package edgediff.demo

import edgediff.format.MANIFEST_FILE
import java.io.File
import java.io.IOException
import java.util.UUID

private const val BASE = "base"
private const val TASKS = "tasks"
private const val DPF = ".dpf"
private const val MAX_NAME = 80
private val NOT_IN_NAMES = Regex("[/\\p{Cntrl}]")

/**
 * Where the app's files are. Three folders may have a `base/` and `tasks/`; the first that has a base gives it.
 *
 * @param pushed what a computer pushed to the phone; null if the phone's shared storage is not there.
 * @param own the app's own folder, which gets the tasks that are opened on the phone.
 * @param unpacked what came with the app, once it is unpacked; it shares its parent with no other folder.
 * @property cache for what can be made anew.
 */
class Places(pushed: File?, private val own: File, private val unpacked: File, val cache: File) {
    private val folders = listOfNotNull(pushed, own, unpacked)

    /** The folder of the base, or null. */
    fun base(): File? = folders.map { File(it, BASE) }.firstOrNull { File(it, MANIFEST_FILE).isFile }

    /** The `.dpf` files in the order of their names; one in an earlier folder hides those of the same name. */
    fun tasks(): List<File> = folders
        .flatMap { File(it, TASKS).listFiles().orEmpty().asList() }
        .filter { it.name.endsWith(DPF) }
        .distinctBy { it.name }
        .sortedBy { it.name }

    /**
     * Unpacks [files], and lets go of those of an earlier version of the app.
     *
     * @throws IOException there is no space, or they cannot be written.
     */
    fun unpack(files: List<Packed>) {
        unpacked.parentFile?.deleteRecursively()
        unpack(files, unpacked)
    }

    /** Gives [use] a file to fill, named like [name]; what is still there afterwards is removed. */
    fun <T> arriving(name: String, use: (File) -> T): T {
        val folder = File(cache, "arriving-${UUID.randomUUID()}")
        if (!folder.mkdirs()) throw IOException("$folder cannot be made")
        try {
            return use(File(folder, name.replace(NOT_IN_NAMES, "_").trimStart('.').take(MAX_NAME).ifBlank { "file" }))
        } finally {
            folder.deleteRecursively()
        }
    }

    /** Moves [file] to the app's own tasks; gives where it is then. */
    fun keep(file: File): File {
        val tasks = File(own, TASKS).apply { mkdirs() }
        val kept = generateSequence(1) { it + 1 }.map { File(tasks, "opened-$it$DPF") }.first { !it.exists() }
        if (!file.renameTo(kept)) throw IOException("$file cannot be moved to $tasks")
        return kept
    }

    /** [message] without the app's folders, which say nothing to its user. */
    fun shorten(message: String): String {
        val arriving = Regex("${Regex.escape(cache.path)}/arriving-[^/]*/")
        return folders.fold(message.replace(arriving, "")) { text, folder -> text.replace("$folder/", "") }
    }
}
