package edgediff.runtime

import edgediff.format.Fields
import edgediff.format.parseJson
import java.io.File
import kotlin.io.path.createTempDirectory

/** What `python -m android_demo.fixtures build/android` makes: a base, three tasks, and what Python says of them. */
internal object Fixtures {
    val folder = File(System.getProperty("fixtures") ?: "../../build/android")
    val base = there("base")
    val tasks: List<File> = there("tasks").listFiles { file -> file.extension == "dpf" }.orEmpty().sorted()

    /** A cache that stays from test to test, since building an image takes seconds. */
    val cache: File by lazy { File("target/cache").apply { mkdirs() } }

    fun there(name: String): File = File(folder, name).also {
        check(it.exists()) { "$it is missing: python -m android_demo.fixtures build/android makes it" }
    }

    fun json(name: String): Fields = Fields.of(parseJson(there(name).readBytes()), name)

    fun temporary(): File = createTempDirectory("edgediff").toFile().apply { deleteOnExit() }
}

/** One task's part of `logits.json`. */
internal class Expected(plain: Fields) {
    val file = File(Fixtures.there("tasks"), plain.text("file"))
    val texts = plain.array("texts").map { it as String }
    val pairs = if (plain.isNull("pairs")) null else plain.array("pairs").map { it as String }
    val logits = plain.array("logits").map { row -> (row as List<*>).map { (it as Double).toFloat() }.toFloatArray() }
    val answers = plain.array("answers").map { Fields.of(it, "answer") }

    companion object {
        val all: List<Expected> by lazy { Fixtures.json("logits.json").array("tasks").map { Expected(Fields.of(it, "task")) } }
    }
}
