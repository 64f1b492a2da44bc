package edgediff.format

import java.io.File
import java.util.Base64

/** One test vector of the format (`tests/vectors/schema.json`). */
class Vector(private val plain: Map<*, *>) {
    val id = plain["id"] as String
    val data: ByteArray = Base64.getDecoder().decode(plain["data"] as String)
    val valid = plain["valid"] as Boolean

    /** What a valid file holds. */
    val content get() = plain["content"] as Map<*, *>

    /** The kind of error with which any other file is refused. */
    val error get() = plain["error"] as String

    override fun toString() = id

    companion object {
        private val folder = File("../../tests/vectors")

        val all: List<Vector> = folder.listFiles { file -> file.name.endsWith(".json") && file.name != "schema.json" }
            .orEmpty().sorted()
            .flatMap { file -> parseJson(file.readBytes()) as List<*> }
            .map { Vector(it as Map<*, *>) }
        val valid = all.filter { it.valid }
        val invalid = all.filterNot { it.valid }

        fun named(id: String) = all.single { it.id == id }
    }
}
