package edgediff.runtime

import ai.onnxruntime.OrtSession
import edgediff.diff.Diff

/** How a base has many tasks; see [openBase]. */
enum class Mode {
    /** [LIVE] where that is proven to work, else [SESSION]. */
    AUTO,

    /** One session for all tasks; a switch patches its weights in place. */
    LIVE,

    /** A session for each task, made by documented ways alone. */
    SESSION,
}

/** Has one diff active at a time. Not for two threads at once. */
internal interface Patcher : AutoCloseable {
    /** [Mode.LIVE] or [Mode.SESSION]. */
    val mode: Mode

    /** The session to run, with the active diff in its weights. */
    val session: OrtSession

    /** Gets ready to activate [diff] under [key]; afterwards nothing may be active. */
    fun prepare(key: Any, diff: Diff)

    /** Puts the diff of [key] into [session], or with null nothing but the base. */
    fun activate(key: Any?)

    /** Lets go of what was prepared for [key], which is not active afterwards. */
    fun forget(key: Any)
}
