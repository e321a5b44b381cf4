// A function's handler: Assembly::Namespace.Type::Method.

using System;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.Loader;
using System.Threading.Tasks;

namespace Functory.Lambda
{
    public sealed class Handler
    {
        const string ContextName = "Amazon.Lambda.Core.ILambdaContext";
        const string SerializerAttribute = "Amazon.Lambda.Core.LambdaSerializerAttribute";

        readonly MethodInfo _method;
        readonly object _instance;
        readonly object _serializer;
        readonly Type _result;

        Handler(MethodInfo method, object instance, object serializer, Type result)
        {
            _method = method;
            _instance = instance;
            _serializer = serializer;
            _result = result;
        }

        public static Handler Load(string name, string root)
        {
            var parts = name.Split(new[] { "::" }, StringSplitOptions.None);
            if (parts.Length != 3 || parts.Any(part => part.Trim().Length == 0))
            {
                throw new LambdaValidationException("Invalid lambda function handler: '" + name
                    + "'. The valid format is 'ASSEMBLY::TYPE::METHOD'.");
            }
            var type = LoadAssembly(parts[0], root).GetType(parts[1]);
            if (type == null)
            {
                throw new LambdaValidationException("Unable to load type '" + parts[1] + "' from assembly '" + parts[0] + "'.");
            }
            var method = FindMethod(type, parts[2]);
            var input = Check(method);
            var result = ResultOf(method);
            object serializer = null;
            if ((input != null && input.ParameterType != typeof(Stream)) || (result != typeof(void) && result != typeof(Stream)))
            {
                serializer = FindSerializer(method, type.Assembly, parts[0]);
            }
            return new Handler(method, method.IsStatic ? null : Activator.CreateInstance(type), serializer, result);
        }

        public async Task<Stream> Call(Stream body, Invocation invocation)
        {
            var arguments = _method.GetParameters().Select(parameter =>
                parameter.ParameterType.FullName == ContextName ? Context.Of(parameter.ParameterType, invocation)
                : parameter.ParameterType == typeof(Stream) ? body
                : Deserialize(parameter.ParameterType, body)).ToArray();
            var answer = _method.Invoke(_instance, arguments);
            var task = answer as Task;
            if (task != null)
            {
                await task;
                answer = _result == typeof(void) ? null : task.GetType().GetProperty("Result").GetValue(task);
            }
            return _result == typeof(void) ? new MemoryStream() : Serialize(answer);
        }

        object Deserialize(Type type, Stream body)
        {
            return Generic("Deserialize", type).Invoke(_serializer, new object[] { body });
        }

        Stream Serialize(object answer)
        {
            if (_result == typeof(Stream))
            {
                return (Stream)answer ?? new MemoryStream();
            }
            var output = new MemoryStream();
            Generic("Serialize", _result).Invoke(_serializer, new[] { answer, output });
            return new MemoryStream(output.ToArray());
        }

        MethodInfo Generic(string name, Type type)
        {
            var contract = _serializer.GetType().GetInterfaces().First(one => one.FullName == "Amazon.Lambda.Core.ILambdaSerializer");
            return contract.GetMethods().First(method => method.Name == name).MakeGenericMethod(type);
        }

        /// Assemblies of the package are found through its .deps.json, or else lie beside it.
        static Assembly LoadAssembly(string name, string root)
        {
            var path = Path.Combine(root, name + ".dll");
            if (!File.Exists(path))
            {
                throw new FileNotFoundException("Could not find the specified handler assembly with the file name '" + name
                    + ", Culture=neutral, PublicKeyToken=null'. The assembly should be located in the root of your uploaded .zip file.");
            }
            var resolver = new AssemblyDependencyResolver(path);
            var context = AssemblyLoadContext.Default;
            context.Resolving += (_, wanted) =>
            {
                var found = resolver.ResolveAssemblyToPath(wanted) ?? Path.Combine(root, wanted.Name + ".dll");
                return File.Exists(found) ? context.LoadFromAssemblyPath(found) : null;
            };
            context.ResolvingUnmanagedDll += (_, wanted) =>
            {
                var found = resolver.ResolveUnmanagedDllToPath(wanted);
                return found == null ? IntPtr.Zero : System.Runtime.InteropServices.NativeLibrary.Load(found);
            };
            return context.LoadFromAssemblyPath(path);
        }

        static MethodInfo FindMethod(Type type, string name)
        {
            const BindingFlags any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;
            var found = type.GetMethods(any).Where(method => method.Name == name || method.ToString() == name).ToList();
            if (found.Count == 0)
            {
                throw new LambdaValidationException("Unable to find method '" + name + "' in type '" + type.FullName
                    + "' from assembly '" + type.Assembly.GetName().Name + "'.");
            }
            if (found.Count > 1)
            {
                throw new LambdaValidationException("The method '" + name + "' in type '" + type.FullName
                    + "' has several overloads; name one by its whole signature.");
            }
            if (found[0].IsGenericMethodDefinition)
            {
                throw new LambdaValidationException("Handler methods cannot be generic: '" + name + "'.");
            }
            return found[0];
        }

        /// The parameter that takes the event, or null.
        static ParameterInfo Check(MethodInfo method)
        {
            var parameters = method.GetParameters();
            var plain = parameters.Where(parameter => parameter.ParameterType.FullName != ContextName).ToList();
            var contextFirst = parameters.Length == 2 && parameters[0].ParameterType.FullName == ContextName;
            if (parameters.Length > 2 || plain.Count > 1 || contextFirst)
            {
                throw new LambdaValidationException("The handler method '" + method.Name
                    + "' may have one parameter for the event, and after it one of type ILambdaContext.");
            }
            if (method.ReturnType == typeof(void) && method.GetCustomAttributes(false).Any(one => one.GetType().Name == "AsyncStateMachineAttribute"))
            {
                throw new LambdaValidationException("'async void' handlers are not supported: return a Task.");
            }
            return plain.FirstOrDefault();
        }

        static Type ResultOf(MethodInfo method)
        {
            var type = method.ReturnType;
            if (type == typeof(Task))
            {
                return typeof(void);
            }
            var result = type.IsGenericType && typeof(Task).IsAssignableFrom(type) ? type.GetGenericArguments()[0] : type;
            return typeof(Stream).IsAssignableFrom(result) ? typeof(Stream) : result;
        }

        static object FindSerializer(MethodInfo method, Assembly assembly, string name)
        {
            var attribute = method.GetCustomAttributes(false).Concat(assembly.GetCustomAttributes(false))
                .FirstOrDefault(one => one.GetType().FullName == SerializerAttribute);
            if (attribute == null)
            {
                throw new LambdaValidationException("Could not find the LambdaSerializerAttribute on the assembly '" + name
                    + "' or method '" + method.Name
                    + "' while using types other than System.IO.Stream as input/output parameters.");
            }
            var type = (Type)attribute.GetType().GetProperty("SerializerType").GetValue(attribute);
            return Activator.CreateInstance(type);
        }
    }
}
