package edgediff.demo

import edgediff.runtime.BaseTask
import edgediff.runtime.Mode
import kotlin.time.Duration

/**
 * All that the screen shows but the texts in its fields.
 *
 * @property mode how the base has its tasks; null until it is open.
 * @property chosen the name of the task to ask; null for the first.
 * @property busy whether work is going on.
 * @property outcome the last answer.
 * @property median what a switch takes, once that was measured.
 * @property problem what went wrong last, for the user.
 */
data class State(
    val mode: Mode? = null,
    val tasks: List<BaseTask> = emptyList(),
    val chosen: String? = null,
    val busy: Boolean = false,
    val outcome: Outcome? = null,
    val median: Duration? = null,
    val problem: String? = null,
) {
    /** The task to ask, or null if there is none. */
    val task: BaseTask? get() = tasks.firstOrNull { it.name == chosen } ?: tasks.firstOrNull()
}
