package edgediff.demo

import android.content.ContentResolver
import android.content.res.AssetManager
import android.net.Uri
import android.provider.OpenableColumns
import java.io.IOException

/** The files of `base/` and `tasks/` that come with the app; none if it was built without them. */
fun AssetManager.packed(): List<Packed> = listOf("base", "tasks").flatMap { folder ->
    list(folder).orEmpty().map { name ->
        val path = "$folder/$name"
        val bytes = open(path).use { it.available() } // of an asset: all that is left of it
        Packed(path, bytes.toLong()) { open(path) }
    }
}

/**
 * The file at [uri] that the user chose.
 *
 * @throws IOException it cannot be opened.
 */
fun ContentResolver.document(uri: Uri): Document = try {
    val columns = arrayOf(OpenableColumns.DISPLAY_NAME)
    val name = query(uri, columns, null, null, null)?.use { if (it.moveToFirst()) it.getString(0) else null }
    val content = openInputStream(uri) ?: throw IOException("$uri has no content")
    Document(name ?: uri.lastPathSegment.orEmpty(), content)
} catch (error: RuntimeException) { // what goes wrong in the other app comes out here as any kind
    throw IOException("$uri cannot be opened: ${error.message}", error)
}
