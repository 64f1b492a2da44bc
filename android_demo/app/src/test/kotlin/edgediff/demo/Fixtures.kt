package edgediff.demo

import java.io.File
import java.util.Base64
import kotlin.io.path.createTempDirectory
import org.json.JSONArray

/** What `python -m android_demo.fixtures build/android` makes: a base and three tasks. */
internal object Fixtures {
    private val folder = File(System.getProperty("fixtures") ?: "../../build/android")
    val base = there("base")
    val tasks: List<File> = there("tasks").listFiles { file -> file.extension == "dpf" }.orEmpty().sorted()
    val pictures: File = File(System.getProperty("pictures") ?: "../../build/pictures").apply { mkdirs() }

    /** Images of the base that earlier tests built, which takes seconds. */
    val images = File("target/images")

    /** A `.dpf` file without fault, of a base that no phone has. */
    fun ofAnotherBase(): ByteArray {
        val vectors = JSONArray(File("../../tests/vectors/valid.json").readText())
        return Base64.getDecoder().decode(vectors.getJSONObject(0).getString("data"))
    }

    fun temporary(): File = createTempDirectory("edgediff").toFile()

    private fun there(name: String): File = File(folder, name).also {
        check(it.exists()) { "$it is missing: python -m android_demo.fixtures build/android makes it" }
    }
}
